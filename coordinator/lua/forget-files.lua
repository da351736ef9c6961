--[[
Forgets files that were deleted from the bucket.

KEYS  1 files  2 files:unsettled  3 files:settled
ARGV  1 packed: u32 count .. that many of {8 bytes file id}
Returns  {'OK'}, also for files that were not there
Errors   none of its own
Complexity  O(F log S), F files in the argument, at most 128, S files
Callers  settled-files.ts
]]
local count, position = struct.unpack('>I4', ARGV[1])
local ids = {}
for index = 1, count do
  ids[index], position = struct.unpack('>c8', ARGV[1], position)
end
if count > 0 then
  redis.call('HDEL', KEYS[1], unpack(ids))
  redis.call('ZREM', KEYS[2], unpack(ids))
  redis.call('ZREM', KEYS[3], unpack(ids))
end
return { 'OK' }
