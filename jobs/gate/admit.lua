-- Accept a job, or say why not.
-- KEYS: job, idempotency key or '', list of jobs of the same request or ''
-- ARGV: id, category, limit, fingerprint, what it may be attached to (resend.lua), record ttl, expires_in or '',
--       high-water mark of memory (0..1) or '' where it is not looked at, the job that it waits for or '', the API
--       process that waits for the job or '', now (ISO), events ttl, class, app by which it shares, priority, then field,
--       value, ... of the job's hash
-- Returns {'ok', position, 0 while it waits for a job} | {'exists', id} | {'conflict', id} | {'full', depth} | {'memory'};
-- after 'ok' and 'memory' the number of ended jobs that were deleted to make room, after 'ok' also the background job
-- that was displaced or ''.
local id, category, limit, fingerprint = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local class, share, priority = ARGV[13], ARGV[14], tonumber(ARGV[15])
local record_ttl, process = tonumber(ARGV[6]), ARGV[10]

local function exists(earlier)
  -- Made here: stop_lingering, category_of, add_caller
  local key = 'rq:job:' .. earlier
  local job = redis.call('HMGET', key, 'status', 'origin', 'mlxq_lingers_until', 'mlxq_expires_at')
  redis.call('HDEL', key, 'mlxq_left')
  if job[3] then
    stop_lingering(earlier, category_of(job[2]))
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

if KEYS[2] ~= '' then
  local record = redis.call('HMGET', KEYS[2], 'id', 'fingerprint')
  if record[1] and redis.call('EXISTS', 'rq:job:' .. record[1]) == 1 then
    if record[2] ~= fingerprint then
      return { 'conflict', record[1] }
    end
    -- Made here: answering
    if answering(record[1]) then
      return exists(record[1])
    end
  end
end

if KEYS[3] ~= '' then
  local ids = redis.call('LRANGE', KEYS[3], 0, -1)
  if #ids > 0 then
    -- Made here: earlier_job, forget_answered, RETRY
    local earlier = earlier_job(ids, ARGV[5], KEYS[2])
    if earlier then
      return exists(earlier)
    end
    if ARGV[5] ~= RETRY then
      forget_answered(KEYS[3], ids)
    end
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
local deferred = 'rq:deferred:' .. category

-- All jobs that wait, what RQ's own tools have queued again included, and those in the lines of each class.
local function waiting()
  local number, numbers = redis.call('LLEN', 'rq:queue:' .. category), in_lines(category)
  if other ~= '' then
    number = number + redis.call('ZCARD', deferred)
  end
  for _, each in pairs(numbers) do
    number = number + each
  end
  return number, numbers
end

-- Whether no job of the background starts now: it is paused, or workers rest.
local function background_stands()
  return call('EXISTS', 'mlxq:resting') == 1 or call('HEXISTS', 'mlxq:paused', category .. ':background') == 1
end

-- End a background job: something more urgent needs its place.
local function displace(newest)
  -- Made here: leave, line_of, conclude
  local error = {
    message = 'The queue was full, and this background job had to make way for a more urgent one. Send it again later.',
    type = 'rate_limit_error', code = 'displaced', status = 429, retryable = true, param = cjson.null,
  }
  leave(newest, line_of(newest))
  if redis.call('HGET', 'rq:job:' .. newest, 'status') ~= 'queued' then
    -- RQ's tools have deleted it.
    return
  end
  local told = cjson.encode(error)
  redis.call('HSET', 'rq:job:' .. newest, 'exc_info', error.message, 'mlxq_error', told)
  conclude(newest, 'failed', 'rq:failed:' .. category, '{"type":"failed","error":' .. told .. '}', ARGV[11], record_ttl,
    tonumber(ARGV[12]))
end

local displaced
local depth, numbers = waiting()
if depth >= limit then
  -- Made here: end_lingering
  end_lingering(category, ARGV[11], record_ttl, tonumber(ARGV[12]))
  depth, numbers = waiting()
end
-- Background jobs that may not start take no places from others: those are as many as without them.
local apart = depth >= limit and class ~= BACKGROUND and background_stands()
if apart then
  depth = depth - numbers[BACKGROUND]
end
if depth >= limit then
  displaced = not apart and class ~= BACKGROUND and redis.call('ZRANGE', waiting_key(category, BACKGROUND), -1, -1)[1]
  if not displaced then
    return { 'full', depth }
  end
end

local short, evicted = false, 0
if ARGV[8] ~= '' then
  -- Made here: make_room
  short, evicted = make_room(tonumber(ARGV[8]), record_ttl)
end
if short then
  return { 'memory', 0, evicted }
end
if displaced then
  displace(displaced)
end

local time = now()
if ARGV[7] ~= '' then
  ARGV[#ARGV + 1] = 'mlxq_expires_at'
  ARGV[#ARGV + 1] = time + tonumber(ARGV[7])
end
redis.call('HSET', KEYS[1], unpack(ARGV, 16))
if process ~= '' then
  set_watchers(id, process)
end
redis.call('ZADD', 'mlxq:jobs', math.floor(time * 1000), id)
if KEYS[2] ~= '' then
  redis.call('HSET', KEYS[2], 'id', id, 'fingerprint', fingerprint)
  redis.call('EXPIRE', KEYS[2], record_ttl)
end
if KEYS[3] ~= '' then
  -- Made here: remember
  remember(KEYS[3], id, record_ttl)
end
if other ~= '' then
  redis.call('SADD', 'rq:queues', 'rq:queue:' .. category)
  redis.call('HSET', KEYS[1], 'status', 'deferred', 'origin', category, 'dependency_ids', cjson.encode({ other }))
  redis.call('SADD', 'rq:job:' .. other .. ':dependents', id)
  redis.call('ZADD', deferred, time, id)
  return { 'ok', 0, evicted, displaced or '' }
end
local index = wait_in_line(id, category, class, share, time * 1000, priority)
numbers[class] = numbers[class] + 1
return { 'ok', place_of(category, class, share, index, numbers), evicted, displaced or '' }
