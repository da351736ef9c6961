--[[
Puts a new copy of a group in the place of the one in use, unless that is newer.

KEYS  1 group  2 group load  3 group load of the same token with `:old` behind it: only used here
      4 changes  5 changes:count
ARGV  1 packed: u32 group, f64 number of the state, u32 steps that wrote it
Returns  {'OK'}
         {'NEWER'}  the copy in use has a higher number and stays
         {'LOST'}   not all of the steps are there; nothing was changed
Errors   none of its own
Complexity  O(1): what is replaced is freed in the background
Callers  group-copies.ts
]]
-- @include lib/changes.lua

local group, number, steps = struct.unpack('>I4dI4', ARGV[1])
if tonumber(redis.call('HGET', KEYS[1], 'number') or '0') > number then
  redis.call('UNLINK', KEYS[2])
  return { 'NEWER' }
end
if tonumber(redis.call('HGET', KEYS[2], 'steps') or '0') ~= steps then
  return { 'LOST' }
end
redis.call('HDEL', KEYS[2], 'steps')
redis.call('HSET', KEYS[2], 'number', string.format('%.0f', number))
redis.call('PERSIST', KEYS[2])
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('RENAME', KEYS[1], KEYS[3])
end
redis.call('RENAME', KEYS[2], KEYS[1])
redis.call('UNLINK', KEYS[3])
append_change(KEYS[4], KEYS[5], CHANGE_GROUP, struct.pack('>I4', group))
return { 'OK' }
