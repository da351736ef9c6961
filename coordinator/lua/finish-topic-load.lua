--[[
Says that the topics in Redis are those in the bucket, until the time is over or Redis may have
forgotten some.

KEYS  1 topics:loaded  string: the replication id under which they were loaded; expires
      2 changes  3 changes:count
ARGV  1 packed: u32 how long it holds in ms, u32 length .. replication id when the load began
Returns  {'OK'}
         {'STALE'}  the replication id is another one by now: load again; nothing was written
Errors   none of its own
Complexity  O(1)
Callers  topic-copy.ts
]]
-- @include lib/changes.lua
-- @include lib/replication-id.lua

local valid_ms, began_under = struct.unpack('>I4I4c0', ARGV[1])
if began_under ~= replication_id() then
  return { 'STALE' }
end
redis.call('SET', KEYS[1], began_under, 'PX', string.format('%.0f', valid_ms))
append_change(KEYS[2], KEYS[3], CHANGE_TOPICS_LOADED, '')
return { 'OK' }
