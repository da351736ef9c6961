--[[
Counts the workers that live. Time is Redis' own; should its clock jump, workers are missing from
the count until they are heard again, which costs work and nothing else.

KEYS  1 workers  sorted set: 8 bytes that name a worker by the time at which it expires, ms
ARGV  1 packed: u32 expiry in ms, 8 bytes worker
Returns  {'OK', how many workers live, how many of them come before this one by their names}
Errors   none of its own
Complexity  O(W), W workers
Callers  redis-worker-coordinator.ts
]]
local expiry_ms, worker = struct.unpack('>I4c8', ARGV[1])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
redis.call('ZADD', KEYS[1], string.format('%.0f', now + expiry_ms), worker)
local count, rank = 0, 0
for _, other in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  count = count + 1
  if other < worker then
    rank = rank + 1
  end
end
return { 'OK', count, rank }
