-- Accept a job, or say why not.
-- KEYS: job, queue, idempotency key or '', list of jobs of the same request or ''
-- ARGV: id, queue's name for rq:queues, limit, fingerprint, what it may be attached to (resend.lua), record ttl,
--       expires_in or '', high-water mark of memory (0..1), the job that it waits for or '', the API process that waits
--       for the job or '', now (ISO), events ttl, then field, value, ... of the job's hash
-- Returns {'ok', position, 0 while it waits for a job} | {'exists', id} | {'conflict', id} | {'full', depth} | {'memory'};
-- after 'ok' and 'memory' the number of ended jobs that were deleted to make room.
local id, limit, fingerprint = ARGV[1], tonumber(ARGV[3]), ARGV[4]
local record_ttl, process = tonumber(ARGV[6]), ARGV[10]

local function exists(earlier)
  local key = 'rq:job:' .. earlier
  local job = redis.call('HMGET', key, 'status', 'origin', 'mlxq_lingers_until', 'mlxq_expires_at')
  redis.call('HDEL', key, 'mlxq_left')
  if job[3] then
    stop_lingering(earlier, job[2])
    if job[1] == 'started' then
      redis.call('PUBLISH', COMMANDS, 'return ' .. earlier)
    end
  end
  -- It waits for its start as long as the most patient of its clients.
  if job[4] and ARGV[7] == '' then
    redis.call('HDEL', key, 'mlxq_expires_at')
  elseif job[4] then
    redis.call('HSET', key, 'mlxq_expires_at', math.max(tonumber(job[4]), now() + tonumber(ARGV[7])))
  end
  if process ~= '' then
    add_caller(earlier, process)
  end
  return { 'exists', earlier }
end

if KEYS[3] ~= '' then
  local record = redis.call('HMGET', KEYS[3], 'id', 'fingerprint')
  if record[1] and redis.call('EXISTS', 'rq:job:' .. record[1]) == 1 then
    if record[2] ~= fingerprint then
      return { 'conflict', record[1] }
    end
    if answering(record[1]) then
      return exists(record[1])
    end
  end
end

if KEYS[4] ~= '' then
  local earlier = earlier_job(KEYS[4], ARGV[5], KEYS[3])
  if earlier then
    return exists(earlier)
  end
  if ARGV[5] ~= RETRY then
    forget_answered(KEYS[4])
  end
end

-- A job that has ended by now is not waited for: the worker sees what came of it.
local other = ARGV[9]
if other ~= '' then
  local status = redis.call('HGET', 'rq:job:' .. other, 'status')
  if status ~= 'queued' and status ~= 'started' then
    other = ''
  end
end
local deferred = 'rq:deferred:' .. string.sub(KEYS[2], #'rq:queue:' + 1)

local function waiting()
  return redis.call('LLEN', KEYS[2]) + (other ~= '' and redis.call('ZCARD', deferred) or 0)
end

local depth = waiting()
if depth >= limit then
  end_lingering(string.sub(KEYS[2], #'rq:queue:' + 1), ARGV[11], record_ttl, tonumber(ARGV[12]))
  depth = waiting()
end
if depth >= limit then
  return { 'full', depth }
end

local short, evicted = make_room(tonumber(ARGV[8]), record_ttl)
if short then
  return { 'memory', 0, evicted }
end

redis.call('HSET', KEYS[1], unpack(ARGV, 13))
if process ~= '' then
  redis.call('HSET', KEYS[1], 'mlxq_callers', process)
  set_watchers(id, process)
end
if ARGV[7] ~= '' then
  redis.call('HSET', KEYS[1], 'mlxq_expires_at', now() + tonumber(ARGV[7]))
end
redis.call('SADD', 'rq:queues', ARGV[2])
redis.call('ZADD', 'mlxq:jobs', math.floor(now() * 1000), id)
if KEYS[3] ~= '' then
  redis.call('HSET', KEYS[3], 'id', id, 'fingerprint', fingerprint)
  redis.call('EXPIRE', KEYS[3], record_ttl)
end
if KEYS[4] ~= '' then
  remember(KEYS[4], id, record_ttl)
end
if other ~= '' then
  redis.call('HSET', KEYS[1], 'status', 'deferred', 'dependency_ids', cjson.encode({ other }))
  redis.call('SADD', 'rq:job:' .. other .. ':dependents', id)
  redis.call('ZADD', deferred, now(), id)
  return { 'ok', 0, evicted }
end
return { 'ok', wait_in_line(KEYS[2], id), evicted }
