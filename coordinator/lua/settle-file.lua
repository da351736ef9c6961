--[[
Gives a file its settled number: all its placeholders were appended before this number was counted.
A repeated call returns the same number.

KEYS  1 files  2 files:unsettled
      3 files:settled  sorted set: file id by settled number
      4 settled        hash: number (the last one given out), replicationId (it was claimed for)
ARGV  1 packed: 8 bytes file id
Returns  {'OK', number}
         {'UNKNOWN'}         the file was never announced here, or is forgotten
         {'STALE', number}   Redis may have gone back in time since the range was claimed: claim one
                             above `number` and call raise-settled-range first; nothing was written
Errors   none of its own
Complexity  O(log S), S settled files
Callers  announcer.ts
]]
-- @include lib/replication-id.lua
-- @include lib/settled-range.lua

local file_id = struct.unpack('>c8', ARGV[1])
if redis.call('HEXISTS', KEYS[1], file_id) == 0 then
  return { 'UNKNOWN' }
end
local given = redis.call('ZSCORE', KEYS[3], file_id)
if given then
  return { 'OK', tonumber(given) }
end
local last, current = settled_count(KEYS[4], replication_id())
if not current then
  return { 'STALE', last }
end
local number = redis.call('HINCRBY', KEYS[4], 'number', 1)
-- What a repeated call is known by is written last, so that a call that failed halfway is made up.
redis.call('ZREM', KEYS[2], file_id)
redis.call('ZADD', KEYS[3], string.format('%.0f', number), file_id)
return { 'OK', number }
