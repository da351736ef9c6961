--[[
Removes the copy of a topic record, and remembers the id for a while, so that a copy that was on its
way does not bring it back.

KEYS  1 topics  2 topics:removed  3 changes  4 changes:count
ARGV  1 packed: u32 length .. topic id
Returns  {'OK'}, also when the topic was not there
Errors   none of its own
Complexity  O(log R), R <= 10,000 removed topics
Callers  announcer.ts, topic-copy.ts
]]
-- @include lib/changes.lua

local REMOVED_KEPT_MAX = 10000

local topic_id = struct.unpack('>I4c0', ARGV[1])
local held = redis.call('HDEL', KEYS[1], topic_id) == 1
if not held and redis.call('ZSCORE', KEYS[2], topic_id) then
  return { 'OK' }
end
append_change(KEYS[3], KEYS[4], CHANGE_TOPIC_GONE, topic_id)
redis.call('ZADD', KEYS[2], redis.call('GET', KEYS[4]), topic_id)
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -REMOVED_KEPT_MAX - 1)
return { 'OK' }
