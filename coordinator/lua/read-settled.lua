--[[
Tells how far settled files are counted.

KEYS  1 settled
ARGV  none
Returns  {'OK', number of the file settled last}
         {'STALE', number}  Redis may have gone back in time since the range was claimed
Errors   none of its own
Complexity  O(1)
Callers  settled-files.ts
]]
-- @include lib/replication-id.lua
-- @include lib/settled-range.lua

local last, current = settled_count(KEYS[1], replication_id())
return { current and 'OK' or 'STALE', last }
