-- The numbers that settled files get: range * 2^36 + count, below 2^53, so exact as a double. The
-- range is claimed in the bucket, once per replication id, so a Redis that went back in time never
-- counts the same number twice. 2^36 lasts 2 years at 1,000 files a second.
local SETTLED_RANGE_SIZE = 2 ^ 36

-- Returns the last number given out, and whether the next one may be taken from the same range.
local function settled_count(count_key, id)
  local held = redis.call('HMGET', count_key, 'number', 'replicationId')
  local number = tonumber(held[1] or '0')
  local current = held[2] == id and (number + 1) % SETTLED_RANGE_SIZE ~= 0
  return number, current
end
