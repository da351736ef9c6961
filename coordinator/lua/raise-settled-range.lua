--[[
Goes on counting settled files in a range that was just claimed in the bucket. Does nothing when
somebody else was first.

KEYS  1 settled
ARGV  1 packed: u32 range
Returns  {'OK'}
         {'LOW', number}  the range is not above the last number given out; nothing was written
Errors   none of its own
Complexity  O(1)
Callers  settled-ranges.ts
]]
-- @include lib/replication-id.lua
-- @include lib/settled-range.lua

local range = struct.unpack('>I4', ARGV[1])
local id = replication_id()
local last, current = settled_count(KEYS[1], id)
if current then
  return { 'OK' }
end
local first = range * SETTLED_RANGE_SIZE
if first <= last then
  return { 'LOW', last }
end
redis.call('HSET', KEYS[1], 'number', string.format('%.0f', first), 'replicationId', id)
return { 'OK' }
