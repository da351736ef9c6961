--[[
Copies a topic record from the bucket, unless the copy is as new already or the topic is removed.

KEYS  1 topics          hash: topic id -> version (f64) .. record, opaque here
      2 topics:removed  sorted set: ids of removed topics by the number of the change
      3 changes  4 changes:count
ARGV  1 packed: u32 length .. topic id, f64 version, u32 length .. record
Returns  {'OK'}
         {'STALE'}    the copy is as new or newer; nothing was written
         {'REMOVED'}  the topic was removed; ids are never used again; nothing was written
Errors   none of its own
Complexity  O(log R), R <= 10,000 removed topics
Callers  announcer.ts, topic-copy.ts
]]
-- @include lib/changes.lua

local topic_id, version, record = struct.unpack('>I4c0dI4c0', ARGV[1])
if redis.call('ZSCORE', KEYS[2], topic_id) then
  return { 'REMOVED' }
end
local held = redis.call('HGET', KEYS[1], topic_id)
if held and struct.unpack('>d', held) >= version then
  return { 'STALE' }
end
redis.call('HSET', KEYS[1], topic_id, struct.pack('>d', version) .. record)
append_change(KEYS[3], KEYS[4], CHANGE_TOPIC, record)
return { 'OK' }
