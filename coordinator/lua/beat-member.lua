--[[
Makes a process a member or keeps it one, and removes members whose heartbeats have stopped.

Time is Redis' own. Silence in which no member was heard, or a clock that jumped, counts against
nobody: everyone gets a fresh deadline instead.

KEYS  1 members            hash: member id -> incarnation (8 bytes) .. beat (u32) .. record
      2 members:deadlines  sorted set: member id by the time at which it expires, ms
      3 members:clock      the time of the last heartbeat of any member, ms
      4 changes  5 changes:count
ARGV  1 packed: u16 member id, u32 expiry in ms, 8 bytes incarnation, u32 beat, u32 length .. record
Returns  {'OK'}
         {'CONFLICT', value}  a live process of another incarnation has the id; nothing was written
Errors   none of its own
Complexity  O(log M), plus O(log M) per expired member; O(M log M) after a silence; M <= 2046
Callers  heartbeats.ts
]]
-- @include lib/changes.lua

local member_id, expiry_ms, incarnation, beat, record = struct.unpack('>HI4c8I4I4c0', ARGV[1])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local deadline = string.format('%.0f', now + expiry_ms)

local function holder()
  local held = redis.call('HGET', KEYS[1], member_id)
  return held, held and held:sub(1, 8) == incarnation
end

local function forgive_silence()
  for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
    redis.call('ZADD', KEYS[2], deadline, id)
  end
end

local function remove_expired()
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now))) do
    redis.call('HDEL', KEYS[1], id)
    redis.call('ZREM', KEYS[2], id)
    append_change(KEYS[4], KEYS[5], CHANGE_MEMBER_GONE, struct.pack('>H', tonumber(id)))
  end
end

local _, ours = holder()
if ours then
  redis.call('ZADD', KEYS[2], deadline, member_id)
end

local last = tonumber(redis.call('GET', KEYS[3]) or now)
redis.call('SET', KEYS[3], string.format('%.0f', now))
if now < last or now - last > expiry_ms / 2 then
  forgive_silence()
else
  remove_expired()
end

local held
held, ours = holder()
if held and not ours then
  return { 'CONFLICT', held }
end
redis.call('HSET', KEYS[1], member_id, incarnation .. struct.pack('>I4', beat) .. record)
redis.call('ZADD', KEYS[2], deadline, member_id)
if not held or held:sub(13) ~= record then
  append_change(KEYS[4], KEYS[5], CHANGE_MEMBER, struct.pack('>H', member_id) .. record)
end
return { 'OK' }
