-- Write what came of an attempt.
-- ARGV: shift, id, execution, outcome (delivered|again|failed), log (JSON), pause (s), kept (s), most kept, now (ISO)
-- Returns 1, or 0 where the delivery belongs to another process by now: then nothing is written.
local id, execution, outcome = ARGV[2], ARGV[3], ARGV[4]
local pause, kept, most = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
if not call('ZSCORE', STARTED, id .. ':' .. execution) then
  return 0
end
drop_execution(id, execution)
local key, time = key_of(id), now()
if call('EXISTS', key) == 0 then
  return 0
end
call('HSET', key, 'mlxq_log', ARGV[5])
call('HINCRBY', 'mlxq:metrics', 'webhooks|' .. outcome, 1)
if outcome == 'again' then
  call('HSET', key, 'status', 'scheduled')
  call('ZADD', SCHEDULED, math.floor(time + pause), id)
  return 1
end

local registry = outcome == 'delivered' and FINISHED or FAILED
call('HSET', key, 'status', outcome == 'delivered' and 'finished' or 'failed', 'ended_at', ARGV[9])
call('EXPIRE', key, kept)
call('ZADD', registry, time + kept, id)
-- The log is bounded: the oldest of those that have ended go.
for _, each in ipairs({ FINISHED, FAILED }) do
  call('ZREMRANGEBYSCORE', each, '-inf', time)
  local beyond = call('ZCARD', each) - most
  for _, old in ipairs(beyond > 0 and call('ZRANGE', each, 0, beyond - 1) or {}) do
    call('DEL', key_of(old))
    call('ZREM', each, old)
    call('ZREM', DELIVERIES, old)
  end
end
for _, old in ipairs(call('ZRANGE', DELIVERIES, 0, 15)) do
  if call('EXISTS', key_of(old)) == 0 then
    call('ZREM', DELIVERIES, old)
  end
end
return 1
