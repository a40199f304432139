-- Which API processes watch a job and wait for it; for the scripts that change that (scripts.py).
-- Watchers get its events. Callers have clients that have not got the whole answer yet: the job ends, or lingers, when
-- the last of them leaves.

-- API processes to which a job's events are published. Others find them in its stream.
local MOST_WATCHERS = 32

-- Publish a live job's events to `process` too. Where there are too many, the first one is dropped.
-- Returns whether they were not published to it before.
local function add_watcher(id, process)
  local before, words = call('GET', watchers_key(id)) or '', {}
  for each in string.gmatch(without(before, process), '%S+') do
    words[#words + 1] = each
  end
  local added = not string.find(' ' .. before .. ' ', ' ' .. process .. ' ', 1, true)
  words[#words + 1] = process
  set_watchers(id, table.concat(words, ' ', math.max(1, #words - MOST_WATCHERS + 1)))
  return added
end

-- The status of a job that has not ended, or nil.
local function living(id)
  local status = call('HGET', 'rq:job:' .. id, 'status')
  return (status == 'queued' or status == 'started' or status == 'deferred') and status or nil
end

-- A client of `process` waits for a job: until it has the whole answer, or leaves. It watches the job by `watch`.
local function add_caller(id, process)
  local callers = call('HGET', 'rq:job:' .. id, 'mlxq_callers')
  call('HSET', 'rq:job:' .. id, 'mlxq_callers', without(callers, process) .. ' ' .. process)
end

-- No client of `process` waits for the job any more. Returns whether those of another process that lives do.
local function remove_caller(id, process)
  local key, others = 'rq:job:' .. id, {}
  local callers = call('HGET', key, 'mlxq_callers')
  for each in string.gmatch(callers or '', '%S+') do
    if each ~= process and call('EXISTS', 'mlxq:api:' .. each) == 1 then
      others[#others + 1] = each
    end
  end
  if #others > 0 then
    call('HSET', key, 'mlxq_callers', table.concat(others, ' '))
  elseif callers then
    call('HDEL', key, 'mlxq_callers')
  end
  return #others > 0
end
