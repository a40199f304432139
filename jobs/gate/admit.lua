-- Accept a job, or say why not.
-- KEYS: job, queue, idempotency key or '', retry key or ''
-- ARGV: id, queue's name for rq:queues, limit, body fingerprint, attach (0|1, 2: only to a job that lives), record ttl,
--       expires_in or '', high-water mark of memory (0..1), the job that it waits for or '', the API process that waits
--       for the job or '', then field, value, ... of the job's hash
-- Returns {'ok', position, 0 while it waits for a job} | {'exists', id} | {'conflict', id} | {'full', depth} | {'memory'};
-- after 'ok' and 'memory' the number of ended jobs that were deleted to make room.
local id, limit, fingerprint = ARGV[1], tonumber(ARGV[3]), ARGV[4]
local record_ttl, process = tonumber(ARGV[6]), ARGV[10]

-- The status of a job that has given or can still give an answer: nothing cancelled, nothing about to be.
local function answering(earlier)
  local job = redis.call('HMGET', 'rq:job:' .. earlier, 'status', 'mlxq_cancel')
  local status, lives = job[1], job[1] == 'queued' or job[1] == 'started' or job[1] == 'deferred'
  if not status or status == 'canceled' or status == 'stopped' or (lives and job[2]) then
    return nil
  end
  return status
end

local function exists(earlier)
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
  local earlier = redis.call('GET', KEYS[4])
  if ARGV[5] == '0' then
    -- A new call, whatever becomes of it: its retries must not be given the answer of an older one.
    redis.call('DEL', KEYS[4])
  elseif earlier then
    local status = answering(earlier)
    if status and status ~= 'failed' and (ARGV[5] == '1' or status ~= 'finished') then
      return exists(earlier)
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
local deferred = 'rq:deferred:' .. string.sub(KEYS[2], #'rq:queue:' + 1)

local depth = redis.call('LLEN', KEYS[2])
if other ~= '' then
  depth = depth + redis.call('ZCARD', deferred)
end
if depth >= limit then
  return { 'full', depth }
end

local short, evicted = make_room(tonumber(ARGV[8]), record_ttl)
if short then
  return { 'memory', 0, evicted }
end

redis.call('HSET', KEYS[1], unpack(ARGV, 11))
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
  redis.call('SET', KEYS[4], id, 'EX', record_ttl)
end
if other ~= '' then
  redis.call('HSET', KEYS[1], 'status', 'deferred', 'dependency_ids', cjson.encode({ other }))
  redis.call('SADD', 'rq:job:' .. other .. ':dependents', id)
  redis.call('ZADD', deferred, now(), id)
  return { 'ok', 0, evicted }
end
return { 'ok', wait_in_line(KEYS[2], id), evicted }
