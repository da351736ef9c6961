--[[
Writes some partitions of a whole new copy of a group, beside the one that is in use. The calls are
counted, so that a Redis that forgot some of them is found out.

KEYS  1 group load  hash as `group` of apply-group.lua, and
                    steps -> how many calls have written to it; expires
ARGV  1 packed: u32 step from 0, u32 expiry in ms,
        u32 count .. that many of {20 bytes field, u32 length .. value}
Returns  {'OK'}
         {'LOST'}  the steps before are not there; nothing was written
Errors   none of its own
Complexity  O(F), F fields in the argument, at most 64
Callers  group-copies.ts
]]
-- @include lib/partition-fields.lua

local step, expiry_ms, position = struct.unpack('>I4I4', ARGV[1])
if tonumber(redis.call('HGET', KEYS[1], 'steps') or '0') ~= step then
  return { 'LOST' }
end
put_partitions(KEYS[1], ARGV[1], position)
redis.call('HSET', KEYS[1], 'steps', string.format('%.0f', step + 1))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', expiry_ms))
return { 'OK' }
