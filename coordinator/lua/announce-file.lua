--[[
Records a WAL file that is in the bucket, as not yet settled. A repeated call changes nothing, also
when the file has been settled since.

KEYS  1 files            hash: file id (8 bytes) -> packed record, opaque here
      2 files:unsettled  sorted set: file id by creation time, ms
      3 changes  4 changes:count
ARGV  1 packed: 8 bytes file id, f64 creation time in ms, u32 most files to keep,
        u32 length .. hint for other members, u32 length .. record
Returns  {'OK'}
         {'FULL'}  as many files are kept as may be; nothing was written
Errors   none of its own
Complexity  O(log U), U unsettled files
Callers  announcer.ts
]]
-- @include lib/changes.lua

local file_id, created_ms, files_max, position = struct.unpack('>c8dI4', ARGV[1])
local hint, record = struct.unpack('>I4c0I4c0', ARGV[1], position)
if redis.call('HEXISTS', KEYS[1], file_id) == 1 then
  return { 'OK' }
end
if redis.call('HLEN', KEYS[1]) >= files_max then
  return { 'FULL' }
end
-- What a repeated call is known by is written last, so that a call that failed halfway is made up.
redis.call('ZADD', KEYS[2], string.format('%.0f', created_ms), file_id)
redis.call('HSET', KEYS[1], file_id, record)
append_change(KEYS[3], KEYS[4], CHANGE_FILE, file_id .. hint)
return { 'OK' }
