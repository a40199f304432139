-- How jobs wait, go back to their queues and end; for the scripts that change their state (scripts.py).

local GARBAGE = 'mlxq:garbage'
-- Runs of each queue that are remembered.
local RUNS = 64
-- Seconds that a job is supposed to run at least, and how much the last run counts for what is supposed.
local SHORTEST, NEWEST = 0.001, 0.2
-- Seconds from which on an estimate is a lesson, how much one counts, and the logarithm of the largest that is believed.
local FORESEEN, LESSON, MOST_WRONG = 0.5, 0.04, 1

local function priority_of(id)
  return tonumber(call('HGET', 'rq:job:' .. id, 'mlxq_priority') or '0')
end

-- Put a job into its line: before the first that has a lower priority, else at the end. Returns its place there, from 1.
local function wait_in_line(id, category, class, app, since, priority)
  if priority > 0 then
    -- Made here: priority_of
    local line = 'rq:queue:' .. line_name(category, class, app)
    for place, other in ipairs(call('LRANGE', line, 0, -1)) do
      if priority_of(other) < priority then
        call('LINSERT', line, 'BEFORE', other, id)
        call('ZADD', waiting_key(category, class), since, id)
        return place
      end
    end
  end
  return enter(id, category, class, app, since, 'RPUSH')
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

-- The jobs of a queue whose last client has left, by the second in which they end.
local function lingering_key(queue)
  return 'mlxq:lingering:' .. queue
end

-- A job does not linger any more: it has ended, or a client waits for it again.
local function stop_lingering(id, queue)
  call('HDEL', 'rq:job:' .. id, 'mlxq_lingers_until')
  call('ZREM', lingering_key(queue), id)
end

-- Learn what estimates were worth from those that were made of a job that has ended (foresee.lua, jobs/eta).
local function correct(category, foreseen, time)
  for phase, at, seconds in string.gmatch(foreseen, '(%S+) (%S+) (%S+)') do
    local told = tonumber(seconds)
    if told >= FORESEEN then
      local wrong = math.log(math.max(time - tonumber(at), SHORTEST) / told)
      local field = category .. '|' .. phase
      local known = tonumber(call('HGET', 'mlxq:models:corrections', field) or '0')
      known = known + LESSON * (math.max(-MOST_WRONG, math.min(wrong, MOST_WRONG)) - known)
      call('HSET', 'mlxq:models:corrections', field, string.format('%.4f', known))
    end
  end
end

-- The end of a job: status, registry, times to live, the terminal event.
-- `status` is RQ's word, `registry` the queue's registry of that end.
-- `made`: what is counted of its result, and `written`: milliseconds since its first token, if it has them.
-- Its request goes, unless it was marked to be kept, and so do the files that it brought along.
-- Returns the ids of jobs that waited for it and failed with it.
local function conclude(id, status, registry, event, now_iso, ttl, events_ttl, made, written)
  local key, time = 'rq:job:' .. id, now()
  local job = call('HMGET', key, 'mlxq_keep', 'mlxq_inputs', 'mlxq_kind', 'mlxq_model', 'mlxq_ran_ms', 'origin',
    'mlxq_linger', 'mlxq_lingers_until', 'mlxq_class', 'mlxq_share', 'mlxq_charged', 'mlxq_use', 'mlxq_owner',
    'mlxq_app', 'mlxq_loading', 'mlxq_webhook', 'mlxq_foreseen', 'mlxq_callers', 'mlxq_submitted_ms')
  local category, outcome = category_of(job[6]), string.match(event, '^{"type":"(%a+)"') or ''
  local kind = job[3] or ''
  local fields = { 'status', status, 'ended_at', now_iso, 'origin', category }
  if job[3] and not job[1] then
    fields[#fields + 1] = 'data'
    fields[#fields + 1] = without_request(kind, job[4] or '')
  end
  if status == 'finished' and job[7] then
    -- Its clients still have to get the answer: who of them leaves before that may ask for it again.
    fields[#fields + 1] = 'mlxq_found_until'
    fields[#fields + 1] = time + tonumber(job[7])
  elseif job[18] then
    call('HDEL', key, 'mlxq_callers')
  end
  call('HSET', key, unpack(fields))
  local ran = job[5] and time - job[5] / 1000 or 0
  settle(category, job[9], job[10], job[11], ran)
  count('jobs|' .. kind .. '|' .. outcome, 1)
  for name, number in string.gmatch(made or '', '(%S+) (%d+)') do
    count('made|' .. kind .. '|' .. name, number)
  end
  if written and job[19] then
    observe('first|' .. kind, time * 1000 - tonumber(job[19]) - written)
  end
  if job[12] then
    add_usage(kind, job[13], job[14], job[4], outcome, job[15] and 0 or ran * 1000, made or '', time)
  end
  if status == 'finished' and job[5] then
    observe('run|' .. kind, math.floor(ran * 1000))
    -- How long jobs run, by the last ones of their queue (jobs/eta/places.py).
    local runs = 'mlxq:runs:' .. category
    if call('LPUSH', runs, math.floor(ran * 1000) .. ' ' .. (job[4] or '')) > 2 * RUNS then
      call('LTRIM', runs, 0, RUNS - 1)
    end
    local usual = tonumber(call('HGET', turns_key(category), 'usual') or ran)
    call('HSET', turns_key(category), 'usual', math.max(SHORTEST, usual + NEWEST * (ran - usual)))
  end
  if status == 'finished' and job[17] then
    -- Made here: correct
    correct(category, job[17], time)
  end
  if job[2] then
    -- Made here: throw_away
    throw_away(job[2])
    call('HDEL', key, 'mlxq_inputs')
  end
  call('EXPIRE', key, ttl)
  call('ZADD', registry, time + ttl, id)
  call('EXPIRE', 'rq:results:' .. id, ttl)
  call('EXPIRE', files_key(id), ttl)
  if emit(id, event) then
    call('DEL', watchers_key(id))
  end
  if job[8] then
    -- Made here: stop_lingering
    stop_lingering(id, category)
  end
  call('EXPIRE', events_key(id), events_ttl)
  if job[16] then
    -- Made here: announce_job
    announce_job(id, job[16], event, category, now_iso)
  end
  local waiting = key .. ':dependents'
  local dependents = call('SMEMBERS', waiting)
  if #dependents == 0 then
    return dependents
  end
  -- Made here: settle_dependents
  return settle_dependents(waiting, dependents, status, event, now_iso, ttl, events_ttl)
end

-- The `dependents` that waited for a job which has ended, and are in the set `key`: they join their queues in their
-- order, or fail with it. Their model is not there then, which is a 404; a full disk is told as what it is. Returns the
-- ids of those that fail.
local function settle_dependents(key, dependents, status, event, now_iso, ttl, events_ttl)
  local waiting, failed = {}, {}
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
    call('HDEL', hash, 'mlxq_progress', 'dependency_ids')
    if status == 'finished' and call('HEXISTS', hash, 'mlxq_held') == 1 then
      emit(job.id, '{"type":"downloaded"}')
    elseif status == 'finished' then
      local time = math.floor(now() * 1000)
      local category, class, app = line_of(job.id)
      call('ZREM', 'rq:deferred:' .. job.queue, job.id)
      call('HSET', hash, 'status', 'queued', 'enqueued_at', now_iso, 'mlxq_submitted_ms', time,
        'origin', line_name(category, class, app))
      enter(job.id, category, class, app, time, 'RPUSH')
      emit(job.id, '{"type":"downloaded"}')
    else
      call('ZREM', 'rq:deferred:' .. job.queue, job.id)
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

-- Put a started job back at the front of its class.
local function requeue(id, event)
  local key = 'rq:job:' .. id
  local job = call('HMGET', key, 'origin', 'mlxq_class', 'mlxq_share', 'mlxq_charged', 'mlxq_ran_ms')
  local category = category_of(job[1])
  settle(category, job[2], job[3], job[4], job[5] and now() - job[5] / 1000 or 0)
  call('HSET', key, 'status', 'queued')
  call('HDEL', key, 'started_at', 'worker_name', 'mlxq_ran_ms', 'mlxq_loading', 'mlxq_charged', 'mlxq_progress',
    'mlxq_progress_ms')
  enter_first(id, category, job[2] or NORMAL)
  emit(id, event)
end

-- Put a job that was taken and never claimed back at the front of its class.
local function put_back(id)
  local key = 'rq:job:' .. id
  local job = call('HMGET', key, 'origin', 'mlxq_class', 'mlxq_share', 'mlxq_charged')
  local category = category_of(job[1])
  settle(category, job[2], job[3], job[4], 0)
  call('HDEL', key, 'mlxq_charged')
  enter_first(id, category, job[2] or NORMAL)
end

-- Cancel a job: at once when it waits, by a flag that its worker sees when it runs.
-- Returns 'cancelled' | 'cancelling' | RQ's status of a job that has ended before.
local function call_off(id, now_iso, ttl, events_ttl)
  local key = 'rq:job:' .. id
  local job = call('HMGET', key, 'status', 'origin')
  local status, queue = job[1], category_of(job[2])
  if status == 'queued' or status == 'deferred' then
    leave(id, line_of(id))
    call('LREM', 'rq:queue:' .. queue, 1, id)
    call('ZREM', 'rq:deferred:' .. queue, id)
    conclude(id, 'canceled', 'rq:canceled:' .. queue, '{"type":"cancelled"}', now_iso, ttl, events_ttl)
    return 'cancelled'
  end
  if status == 'started' then
    stop_lingering(id, queue)
    call('HSET', key, 'mlxq_cancel', '1')
    call('PUBLISH', COMMANDS, 'cancel ' .. id)
    return 'cancelling'
  end
  return status
end

-- Cancel the jobs of a queue whose clients have not come back in time. Returns those that were cancelled at once.
local function end_lingering(queue, now_iso, ttl, events_ttl)
  local ended = {}
  for _, id in ipairs(call('ZRANGEBYSCORE', lingering_key(queue), '-inf', now())) do
    if call_off(id, now_iso, ttl, events_ttl) == 'cancelled' then
      ended[#ended + 1] = id
    end
    call('ZREM', lingering_key(queue), id)
  end
  return ended
end
