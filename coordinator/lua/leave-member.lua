--[[
Removes a member at once, if it is still this process.

KEYS  1 members  2 members:deadlines  3 changes  4 changes:count
ARGV  1 packed: u16 member id, 8 bytes incarnation
Returns  {'OK'}
         {'UNKNOWN'}  nobody has the id, or another process has it; nothing was written
Errors   none of its own
Complexity  O(log M), M <= 2046
Callers  heartbeats.ts
]]
-- @include lib/changes.lua

local member_id, incarnation = struct.unpack('>Hc8', ARGV[1])
local held = redis.call('HGET', KEYS[1], member_id)
if not held or held:sub(1, 8) ~= incarnation then
  return { 'UNKNOWN' }
end
redis.call('HDEL', KEYS[1], member_id)
redis.call('ZREM', KEYS[2], member_id)
append_change(KEYS[3], KEYS[4], CHANGE_MEMBER_GONE, struct.pack('>H', member_id))
return { 'OK' }
