--[[
Tells a follower where the change stream ends and whether Redis may have forgotten something.

KEYS  1 changes:count  2 topics:loaded
ARGV  none
Returns  {'OK', number of the last change as a string, replication id,
           1 if the topics are those in the bucket, else 0}
Errors   none of its own
Complexity  O(1)
Callers  change-follower.ts, topic-copy.ts
]]
-- @include lib/replication-id.lua

local id = replication_id()
local loaded = redis.call('GET', KEYS[2]) == id and 1 or 0
return { 'OK', redis.call('GET', KEYS[1]) or '0', id, loaded }
