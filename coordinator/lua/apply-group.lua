--[[
One step of bringing the copy of a partition group from one state to another. The steps of one
change carry a token and are counted, and the last one sets the number, so that a Redis that forgot
some of them never takes the copy for complete. Until then the number says of what there is at least
all; some partitions are newer.

KEYS  1 group  hash: 16 bytes topic id .. u32 partition -> packed state, opaque here;
               number -> of the last entry that is in it;
               step -> token .. u32 steps done, while a change is under way
      2 changes  3 changes:count
ARGV  1 packed: u32 group, f64 number before, f64 number after, u32 step from 0, u8 1 for the last,
        8 bytes token, u32 count .. that many of {20 bytes field, u32 length .. value},
        u32 count .. that many of {20 bytes field} that are gone
Returns  {'OK'}
         {'APPLIED'}  the copy has the number after, or a higher one; nothing was written
         {'BEHIND'}   the copy has another number, or not the steps before; nothing was written
Errors   none of its own
Complexity  O(F), F fields in the argument, at most 64
Callers  group-copies.ts
]]
-- @include lib/changes.lua
-- @include lib/partition-fields.lua

local group, before, after, step, is_last, token, position = struct.unpack('>I4ddI4Bc8', ARGV[1])
local held = redis.call('HMGET', KEYS[1], 'number', 'step')
local number = tonumber(held[1] or '0')
if number >= after then
  return { 'APPLIED' }
end
local expected = step > 0 and token .. struct.pack('>I4', step) or false
if number ~= before or held[2] ~= expected then
  return { 'BEHIND' }
end
position = put_partitions(KEYS[1], ARGV[1], position)
remove_partitions(KEYS[1], ARGV[1], position)
if is_last == 1 then
  redis.call('HDEL', KEYS[1], 'step')
  redis.call('HSET', KEYS[1], 'number', string.format('%.0f', after))
  append_change(KEYS[2], KEYS[3], CHANGE_GROUP, struct.pack('>I4', group))
else
  redis.call('HSET', KEYS[1], 'step', token .. struct.pack('>I4', step + 1))
end
return { 'OK' }
