-- Turn a job taken off the queue into a running execution, unless it must not run.
-- KEYS: job, intermediate list, started registry, cancelled registry
-- ARGV: id, execution, worker, lease (s), now (ISO), epoch, result ttl, events ttl, expired event, waits key,
--       uses of models, last use of models (of jobs that have `mlxq_use`), category
-- Returns {'ok', attempt, data, ms that it waited or '', app, 1 for a suspect or 0, 1 if it lingers or 0, class or '', trace or '', the only worker that may run it or ''} | {'lost'} (somebody else recovered it) | {'gone'} | {'dropped'} | {'expired'}
local id, execution = ARGV[1], ARGV[2]
if redis.call('LREM', KEYS[2], 1, id) == 0 then
  return { 'lost' }
end
local job = redis.call('HMGET', KEYS[1], 'status', 'data', 'mlxq_expires_at', 'mlxq_submitted_ms',
  'mlxq_model', 'mlxq_use', 'mlxq_app', 'mlxq_suspect', 'mlxq_lingers_until', 'mlxq_class',
  'mlxq_trace', 'mlxq_attempts', 'mlxq_worker')
if not job[1] or not job[2] then
  return { 'gone' }
end
if job[1] ~= 'queued' then
  return { 'dropped' }
end

local time = now()
if job[3] and tonumber(job[3]) < time then
  -- Made here: conclude
  redis.call('HSET', KEYS[1], 'mlxq_expired', '1')
  conclude(id, 'canceled', KEYS[4], ARGV[9], ARGV[5], tonumber(ARGV[7]), tonumber(ARGV[8]))
  -- For RQ it is cancelled.
  redis.call('ZADD', 'mlxq:expired:' .. ARGV[13], time + tonumber(ARGV[7]), id)
  return { 'expired' }
end

local attempt, milliseconds = tonumber(job[12] or '0') + 1, math.floor(time * 1000)
local waited = job[4] and milliseconds - tonumber(job[4])
redis.call('HSET', KEYS[1], 'status', 'started', 'origin', ARGV[13], 'started_at', ARGV[5], 'last_heartbeat', ARGV[5],
  'worker_name', ARGV[3], 'mlxq_ran_ms', milliseconds, 'mlxq_attempts', attempt)
local key = 'rq:execution:' .. id .. ':' .. execution
redis.call('HSET', key, 'id', execution, 'created_at', ARGV[6], 'last_heartbeat', ARGV[6],
  'worker_name', ARGV[3], 'emitted', '1')
redis.call('EXPIRE', key, 3600)
redis.call('ZADD', 'rq:executions:' .. id, time + 3600, execution)
redis.call('EXPIRE', 'rq:executions:' .. id, 86400)
redis.call('ZADD', KEYS[3], time + tonumber(ARGV[4]), id .. ':' .. execution)

if attempt == 1 and waited then
  observe('wait|' .. ARGV[13], waited)
  if redis.call('LPUSH', ARGV[10], waited) > 512 then
    redis.call('LTRIM', ARGV[10], 0, 255)
  end
end
if job[5] and job[6] then
  if attempt == 1 then
    redis.call('HINCRBY', ARGV[11], job[5], 1)
  end
  redis.call('HSET', ARGV[12], job[5], milliseconds)
end
local messages, watchers = {}, call('GET', watchers_key(id))
if attempt > 1 then
  append(messages, watchers, id, '{"type":"reset"}', true)
end
append(messages, watchers, id, '{"type":"started","attempt":' .. attempt .. '}', true)
publish(messages)
return { 'ok', attempt, job[2], waited or '', job[7] or '',
  job[8] and 1 or 0, job[9] and 1 or 0, job[10] or '', job[11] or '', job[13] or '' }
