-- How jobs wait, go back to their queues and end; for the scripts that change their state (scripts.py).

local GARBAGE = 'mlxq:garbage'
-- Runs of each queue that are remembered.
local RUNS = 64

local function priority_of(id)
  return tonumber(call('HGET', 'rq:job:' .. id, 'mlxq_priority') or '0')
end

-- Put a job into its queue: before the first that is less urgent, else at the end. Returns its place, from 1.
local function wait_in_line(queue, id)
  local priority = priority_of(id)
  if priority > 0 then
    for place, other in ipairs(call('LRANGE', queue, 0, -1)) do
      if priority_of(other) < priority then
        call('LINSERT', queue, 'BEFORE', other, id)
        return place
      end
    end
  end
  return call('RPUSH', queue, id)
end

-- Give up an execution: the lease, RQ's record of it and the job's list of executions.
local function drop_execution(wip, id, execution)
  call('ZREM', wip, id .. ':' .. execution)
  call('DEL', 'rq:execution:' .. id .. ':' .. execution)
  call('ZREM', 'rq:executions:' .. id, execution)
end

-- What stands in for the request of a job that has ended: RQ's tools read a job's function from it.
local function without_request(kind, model)
  return '["worker.rq_function.run",null,[],{"kind":' .. cjson.encode(kind) .. ',"model":' .. cjson.encode(model)
    .. ',"ended":true}]'
end

-- Files that nobody needs any more: workers delete them.
local function throw_away(files)
  for file in string.gmatch(files or '', '%S+') do
    call('RPUSH', GARBAGE, file)
  end
end

local conclude

-- The jobs that waited for a job which has ended: they join their queues in their order, or fail with it.
-- Their model is not there then, which is a 404; a full disk is told as what it is.
local function settle_dependents(id, status, event, now_iso, ttl, events_ttl)
  local key = 'rq:job:' .. id .. ':dependents'
  local dependents, waiting = call('SMEMBERS', key), {}
  local failed = {}
  if #dependents == 0 then
    return failed
  end
  for _, dependent in ipairs(dependents) do
    local job = call('HMGET', 'rq:job:' .. dependent, 'status', 'origin')
    if job[1] == 'deferred' then
      local since = call('ZSCORE', 'rq:deferred:' .. job[2], dependent)
      waiting[#waiting + 1] = { id = dependent, queue = job[2], since = tonumber(since) or 0 }
    end
  end
  call('DEL', key)
  table.sort(waiting, function(a, b)
    return a.since < b.since or (a.since == b.since and a.id < b.id)
  end)
  for _, job in ipairs(waiting) do
    local hash = 'rq:job:' .. job.id
    call('ZREM', 'rq:deferred:' .. job.queue, job.id)
    call('HDEL', hash, 'mlxq_progress')
    if status == 'finished' then
      call('HSET', hash, 'status', 'queued', 'enqueued_at', now_iso,
        'mlxq_submitted_ms', math.floor(now() * 1000))
      call('RPUSH', 'rq:queue:' .. job.queue, job.id)
      emit(job.id, '{"type":"downloaded"}')
    else
      local error = cjson.decode(event).error
        or { message = 'The download of the model was cancelled.', status = 404 }
      if error.status ~= 507 then
        error.status, error.type, error.code = 404, 'invalid_request_error', 'model_not_found'
      end
      error.param, error.retryable = 'model', false
      call('HSET', hash, 'exc_info', error.message, 'mlxq_error', cjson.encode(error))
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
  local job = call('HMGET', key, 'mlxq_keep', 'mlxq_inputs', 'mlxq_kind', 'mlxq_model', 'mlxq_ran_ms', 'origin')
  if job[1] or not job[3] then
    call('HSET', key, 'status', status, 'ended_at', now_iso)
  else
    call('HSET', key, 'status', status, 'ended_at', now_iso, 'data', without_request(job[3], job[4] or ''))
  end
  if status == 'finished' and job[5] then
    -- How long jobs run, by the last ones of their queue (jobs/eta.py).
    local runs = 'mlxq:runs:' .. job[6]
    if call('LPUSH', runs, math.floor(time * 1000 - job[5]) .. ' ' .. (job[4] or '')) > 2 * RUNS then
      call('LTRIM', runs, 0, RUNS - 1)
    end
  end
  if job[2] then
    throw_away(job[2])
    call('HDEL', key, 'mlxq_inputs')
  end
  call('EXPIRE', key, ttl)
  call('ZADD', registry, time + ttl, id)
  call('EXPIRE', 'rq:results:' .. id, ttl)
  call('EXPIRE', files_key(id), ttl)
  emit(id, event)
  call('DEL', watchers_key(id))
  call('HDEL', key, 'mlxq_callers')
  call('EXPIRE', events_key(id), events_ttl)
  return settle_dependents(id, status, event, now_iso, ttl, events_ttl)
end

-- Put a started job back at the front of its queue.
local function requeue(id, queue, event)
  local key = 'rq:job:' .. id
  call('HSET', key, 'status', 'queued')
  call('HDEL', key, 'started_at', 'worker_name', 'mlxq_ran_ms', 'mlxq_loading')
  call('LPUSH', queue, id)
  emit(id, event)
end
