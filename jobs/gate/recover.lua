-- Bring back what a dead worker left: executions whose lease has ended (or whose worker is known to be dead),
-- and jobs that were taken off the queue but never claimed.
-- KEYS: queue, intermediate list, started registry, failed registry, cancelled registry, seen
-- ARGV: now (ISO), most crashes a job may see, grace for unclaimed jobs (s), ttl, events ttl, requeued event, failed event,
--       cancelled event, exception text, result fields as a JSON list, error (JSON), then names of dead workers
-- Returns { ids of requeued jobs, of failed ones, of cancelled ones }
local time = now()
local dead = {}
for i = 12, #ARGV do
  dead[ARGV[i]] = true
end
local ttl, events_ttl = tonumber(ARGV[4]), tonumber(ARGV[5])

local expired = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', time)
if next(dead) then
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. time, '+inf')) do
    if dead[redis.call('HGET', 'rq:execution:' .. member, 'worker_name')] then
      expired[#expired + 1] = member
    end
  end
end

local requeued, failed, cancelled = {}, {}, {}
-- The oldest lease last, so that it ends up at the very front.
for i = #expired, 1, -1 do
  local id, execution = string.match(expired[i], '^(.*):(.-)$')
  drop_execution(KEYS[3], id, execution)
  local job = redis.call('HMGET', 'rq:job:' .. id, 'status', 'mlxq_cancel')
  if job[1] == 'started' then
    if job[2] then
      conclude(id, 'canceled', KEYS[5], ARGV[8], ARGV[1], ttl, events_ttl)
      cancelled[#cancelled + 1] = id
    elseif redis.call('HINCRBY', 'rq:job:' .. id, 'mlxq_crashes', 1) >= tonumber(ARGV[2]) then
      redis.call('HSET', 'rq:job:' .. id, 'exc_info', ARGV[9], 'mlxq_error', ARGV[11])
      redis.call('XADD', 'rq:results:' .. id, 'MAXLEN', 10, '*', unpack(cjson.decode(ARGV[10])))
      conclude(id, 'failed', KEYS[4], ARGV[7], ARGV[1], ttl, events_ttl)
      failed[#failed + 1] = id
    else
      requeue(id, KEYS[1], ARGV[6])
      requeued[#requeued + 1] = id
    end
  end
end

local waiting = redis.call('LRANGE', KEYS[2], 0, -1)
for i = #waiting, 1, -1 do
  local id = waiting[i]
  if redis.call('HGET', 'rq:job:' .. id, 'status') ~= 'queued' then
    redis.call('LREM', KEYS[2], 1, id)
  else
    local first = redis.call('ZSCORE', KEYS[6], id)
    if not first then
      redis.call('ZADD', KEYS[6], time, id)
      redis.call('EXPIRE', KEYS[6], 3600)
    elseif time - tonumber(first) >= tonumber(ARGV[3]) then
      redis.call('LREM', KEYS[2], 1, id)
      redis.call('ZREM', KEYS[6], id)
      redis.call('LPUSH', KEYS[1], id)
      requeued[#requeued + 1] = id
    end
  end
end
-- What was seen on its way to a lane has arrived.
if #waiting == 0 then
  redis.call('DEL', KEYS[6])
end
redis.call('ZREMRANGEBYSCORE', KEYS[6], '-inf', time - 60)
return { requeued, failed, cancelled }
