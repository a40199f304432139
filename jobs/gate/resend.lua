-- How a request finds the job of an earlier one that was the same (`mlxq:same:`); for admit.lua.

-- What a request may be attached to (jobs/request.py): nothing, a job whose client has left before it had the answer,
-- any that has given or can still give an answer, or any that has not ended.
local LEFT, RETRY, LIVING = '1', '2', '3'
-- Jobs of the same request that are remembered.
local MOST_SAME = 32

-- The status of a job that has given or can still give an answer: nothing cancelled, nothing about to be.
local function answering(id)
  local job = call('HMGET', 'rq:job:' .. id, 'status', 'mlxq_cancel')
  local status, lives = job[1], job[1] == 'queued' or job[1] == 'started' or job[1] == 'deferred'
  if not status or status == 'canceled' or status == 'stopped' or (lives and job[2]) then
    return nil
  end
  return status
end

local listening = {}

-- Whether an API process is there: it has beaten lately, and its connection is open.
local function listens(process)
  if listening[process] == nil then
    listening[process] = call('EXISTS', 'mlxq:api:' .. process) == 1 and call('PUBLISH', BUS .. process, '[]') > 0
  end
  return listening[process]
end

-- Whether a request may have this job: its client left before it had the answer. `key`: that of its Idempotency-Key.
local function is_left(id, status, key)
  local job = call('HMGET', 'rq:job:' .. id, 'mlxq_left', 'mlxq_callers', 'mlxq_delivered', 'mlxq_seeded',
    'mlxq_found_until', 'mlxq_idempotency')
  if (job[6] or '') ~= key or (status == 'finished' and now() > tonumber(job[5] or '0')) then
    return false
  end
  if job[3] then
    -- It has got the answer. Another one would be the same only where the seed says so.
    return job[4] and true
  end
  for process in string.gmatch(job[2] or '', '%S+') do
    if listens(process) then
      return false
    end
  end
  return (job[1] or job[2]) and true
end

-- The earlier job that a request is attached to, or nil. `ids` are those of the same request.
local function earlier_job(ids, how, key)
  local any
  if how ~= LEFT and how ~= RETRY and how ~= LIVING then
    return nil
  end
  for place = #ids, 1, -1 do
    local id = ids[place]
    local status = answering(id)
    if status and status ~= 'failed' then
      if how == LIVING then
        if status ~= 'finished' then
          return id
        end
      elseif is_left(id, status, key) then
        return id
      end
      any = any or id
    end
  end
  return how == RETRY and any or nil
end

-- Forget the jobs whose answers were delivered, or never will be: what follows is a new call, and its retries must not
-- be given the answer of an older one.
local function forget_answered(same, ids)
  for _, id in ipairs(ids) do
    local status = answering(id)
    local job = call('HMGET', 'rq:job:' .. id, 'mlxq_delivered', 'mlxq_found_until')
    local ended = status == 'finished' and (job[1] or now() > tonumber(job[2] or '0'))
    if not status or status == 'failed' or ended then
      call('LREM', same, 0, id)
    end
  end
end

local function remember(same, id, ttl)
  call('RPUSH', same, id)
  call('LTRIM', same, -MOST_SAME, -1)
  call('EXPIRE', same, ttl)
end
