-- Shared by every script of the gate; prepended when they are registered.

local BUS = 'mlxq:bus'
local COMMANDS = 'mlxq:commands'
local GARBAGE = 'mlxq:garbage'
-- Runs of each queue that are remembered.
local RUNS = 64
-- More entries than any model emits: a bound against runaways, not a window.
local MAX_EVENTS = 100000

local function now()
  local time = redis.call('TIME')
  return tonumber(time[1]) + tonumber(time[2]) / 1000000
end

-- Append one event (JSON) to a job's stream and return the frame to publish. NOMKSTREAM unless `create`:
-- an event must not bring a finished job's stream back to life without a TTL.
local function append(stream, id, event, create)
  local entry
  if create then
    entry = redis.call('XADD', stream, 'MAXLEN', '~', MAX_EVENTS, '*', 'e', event)
  else
    entry = redis.call('XADD', stream, 'NOMKSTREAM', 'MAXLEN', '~', MAX_EVENTS, '*', 'e', event)
  end
  if not entry then
    return nil
  end
  return '["' .. id .. '","' .. entry .. '",' .. event .. ']'
end

local function publish(frames)
  if #frames > 0 then
    redis.call('PUBLISH', BUS, '[' .. table.concat(frames, ',') .. ']')
  end
end

local function emit(stream, id, event, create)
  local frame = append(stream, id, event, create)
  if frame then
    publish({ frame })
  end
end

local function events_key(id)
  return 'mlxq:events:' .. id
end

local function files_key(id)
  return 'mlxq:files:' .. id
end

local function priority_of(id)
  return tonumber(redis.call('HGET', 'rq:job:' .. id, 'mlxq_priority') or '0')
end

-- Put a job into its queue: before the first that is less urgent, else at the end. Returns its place, from 1.
local function wait_in_line(queue, id)
  local priority = priority_of(id)
  if priority > 0 then
    for place, other in ipairs(redis.call('LRANGE', queue, 0, -1)) do
      if priority_of(other) < priority then
        redis.call('LINSERT', queue, 'BEFORE', other, id)
        return place
      end
    end
  end
  return redis.call('RPUSH', queue, id)
end

-- Give up an execution: the lease, RQ's record of it and the job's list of executions.
local function drop_execution(wip, id, execution)
  redis.call('ZREM', wip, id .. ':' .. execution)
  redis.call('DEL', 'rq:execution:' .. id .. ':' .. execution)
  redis.call('ZREM', 'rq:executions:' .. id, execution)
end

-- What stands in for the request of a job that has ended: RQ's tools read a job's function from it.
local function without_request(kind, model)
  return '["worker.rq_function.run",null,[],{"kind":' .. cjson.encode(kind) .. ',"model":' .. cjson.encode(model)
    .. ',"ended":true}]'
end

-- Files that nobody needs any more: workers delete them.
local function throw_away(files)
  for file in string.gmatch(files or '', '%S+') do
    redis.call('RPUSH', GARBAGE, file)
  end
end

local conclude

-- The jobs that waited for a job which has ended: they join their queues in their order, or fail with it.
-- Their model is not there then, which is a 404; a full disk is told as what it is.
local function settle_dependents(id, status, event, now_iso, ttl, events_ttl)
  local key = 'rq:job:' .. id .. ':dependents'
  local dependents, waiting = redis.call('SMEMBERS', key), {}
  local failed = {}
  if #dependents == 0 then
    return failed
  end
  for _, dependent in ipairs(dependents) do
    local job = redis.call('HMGET', 'rq:job:' .. dependent, 'status', 'origin')
    if job[1] == 'deferred' then
      local since = redis.call('ZSCORE', 'rq:deferred:' .. job[2], dependent)
      waiting[#waiting + 1] = { id = dependent, queue = job[2], since = tonumber(since) or 0 }
    end
  end
  redis.call('DEL', key)
  table.sort(waiting, function(a, b)
    return a.since < b.since or (a.since == b.since and a.id < b.id)
  end)
  for _, job in ipairs(waiting) do
    local hash = 'rq:job:' .. job.id
    redis.call('ZREM', 'rq:deferred:' .. job.queue, job.id)
    redis.call('HDEL', hash, 'mlxq_progress')
    if status == 'finished' then
      redis.call('HSET', hash, 'status', 'queued', 'enqueued_at', now_iso,
        'mlxq_submitted_ms', math.floor(now() * 1000))
      redis.call('RPUSH', 'rq:queue:' .. job.queue, job.id)
      emit(events_key(job.id), job.id, '{"type":"downloaded"}', true)
    else
      local error = cjson.decode(event).error
        or { message = 'The download of the model was cancelled.', status = 404 }
      if error.status ~= 507 then
        error.status, error.type, error.code = 404, 'invalid_request_error', 'model_not_found'
      end
      error.param, error.retryable = 'model', false
      redis.call('HSET', hash, 'exc_info', error.message, 'mlxq_error', cjson.encode(error))
      conclude(job.id, 'failed', 'rq:failed:' .. job.queue,
        cjson.encode({ type = 'failed', error = error }), now_iso, ttl, events_ttl)
      failed[#failed + 1] = job.id
    end
  end
  return failed
end

-- The end of a job: status, registry, times to live, the terminal event.
-- `status` is RQ's word, `registry` the queue's registry of that end.
-- Its request goes, unless it was marked to be kept, and so do the files that it brought along.
-- Returns the ids of jobs that waited for it and failed with it.
function conclude(id, status, registry, event, now_iso, ttl, events_ttl)
  local key, time = 'rq:job:' .. id, now()
  local job = redis.call('HMGET', key, 'mlxq_keep', 'mlxq_inputs', 'mlxq_kind', 'mlxq_model', 'mlxq_ran_ms', 'origin')
  if job[1] or not job[3] then
    redis.call('HSET', key, 'status', status, 'ended_at', now_iso)
  else
    redis.call('HSET', key, 'status', status, 'ended_at', now_iso, 'data', without_request(job[3], job[4] or ''))
  end
  if status == 'finished' and job[5] then
    -- How long jobs run, by the last ones of their queue (jobs/eta.py).
    local runs = 'mlxq:runs:' .. job[6]
    if redis.call('LPUSH', runs, math.floor(time * 1000 - job[5]) .. ' ' .. (job[4] or '')) > 2 * RUNS then
      redis.call('LTRIM', runs, 0, RUNS - 1)
    end
  end
  if job[2] then
    throw_away(job[2])
    redis.call('HDEL', key, 'mlxq_inputs')
  end
  redis.call('EXPIRE', key, ttl)
  redis.call('ZADD', registry, time + ttl, id)
  redis.call('EXPIRE', 'rq:results:' .. id, ttl)
  redis.call('EXPIRE', files_key(id), ttl)
  emit(events_key(id), id, event, true)
  redis.call('EXPIRE', events_key(id), events_ttl)
  return settle_dependents(id, status, event, now_iso, ttl, events_ttl)
end

-- Put a started job back at the front of its queue.
local function requeue(id, queue, event)
  local key = 'rq:job:' .. id
  redis.call('HSET', key, 'status', 'queued')
  redis.call('HDEL', key, 'started_at', 'worker_name', 'mlxq_ran_ms', 'mlxq_loading')
  redis.call('LPUSH', queue, id)
  emit(events_key(id), id, event, true)
end
