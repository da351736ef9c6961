--[[
Gives a lease back, if it is still its holder's.

KEYS  1 lease
ARGV  1 packed: 8 bytes holder
Returns  {'OK'}
         {'LOST'}  it is another's, or nobody's; nothing was written
Errors   none of its own
Complexity  O(1)
Callers  leases.ts
]]
local holder = struct.unpack('>c8', ARGV[1])
if redis.call('GET', KEYS[1]) ~= holder then
  return { 'LOST' }
end
redis.call('DEL', KEYS[1])
return { 'OK' }
