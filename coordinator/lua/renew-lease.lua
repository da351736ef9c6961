--[[
Extends a lease that is still its holder's.

KEYS  1 lease  string: 8 bytes that name the holder; expires
ARGV  1 packed: u32 expiry in ms, 8 bytes holder
Returns  {'OK'}
         {'LOST'}  it is another's, or nobody's: it expired, or Redis forgot it; nothing was written
Errors   none of its own
Complexity  O(1)
Callers  leases.ts
]]
local expiry_ms, holder = struct.unpack('>I4c8', ARGV[1])
if redis.call('GET', KEYS[1]) ~= holder then
  return { 'LOST' }
end
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', expiry_ms))
return { 'OK' }
