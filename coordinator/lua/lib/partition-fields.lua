-- Fields of a group that are named by partition, as packed by worker-scripts.ts.

-- Both return the position behind what they read.
local function put_partitions(group_key, packed, position)
  local count
  count, position = struct.unpack('>I4', packed, position)
  local pairs_flat = {}
  for index = 1, count do
    pairs_flat[2 * index - 1], pairs_flat[2 * index], position =
      struct.unpack('>c20I4c0', packed, position)
  end
  if count > 0 then
    redis.call('HSET', group_key, unpack(pairs_flat))
  end
  return position
end

local function remove_partitions(group_key, packed, position)
  local count
  count, position = struct.unpack('>I4', packed, position)
  local fields = {}
  for index = 1, count do
    fields[index], position = struct.unpack('>c20', packed, position)
  end
  if count > 0 then
    redis.call('HDEL', group_key, unpack(fields))
  end
  return position
end
