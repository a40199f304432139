-- Bring back what a dead worker left: executions whose lease has ended (or whose worker is known to be dead),
-- and jobs that were taken off the queue but never claimed.
-- KEYS: intermediate list, started registry, failed registry, cancelled registry, seen
-- ARGV: now (ISO), crashes of the worker under a job after which it fails, grace for unclaimed jobs (s), ttl,
--       events ttl, requeued event, failed event, cancelled event, exception text, result fields as a JSON list,
--       error (JSON), names of dead workers (JSON list), last steps of workers (JSON: name -> executions, company),
--       whether suspects run alone (0|1), category, this machine, whether workers may have been unable
--       to renew their leases (0|1): only what the dead left is brought back
-- In texts, {crashes} stands for how often it crashed.
-- Returns { ids of requeued jobs, of failed ones, of cancelled ones }
--
-- Only executions that the worker's last step was about are charged with its death; all, if that is not known. They
-- are suspects: they run again one at a time. One whose worker dies again fails, and those that were suspected with it
-- are cleared.
--
-- That a worker of another machine does not answer says little: the machine may be asleep, or its network down. What it
-- ran is suspected from the second time on. A worker that comes back takes its charges back (beat.lua).
local time = now()
local dead = {}
for _, name in ipairs(cjson.decode(ARGV[12])) do
  dead[name] = true
  -- No job is left to it any more (machines.lua).
  redis.call('HDEL', 'mlxq:machines:' .. ARGV[15], string.match(name, '^(.*)%.') or name)
end
local ttl, events_ttl, most = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[2])
local steps, isolate = cjson.decode(ARGV[13]), ARGV[14] == '1'
for _, step in pairs(steps) do
  local executions = {}
  for _, execution in ipairs(step.executions) do
    executions[execution] = true
  end
  step.executions = executions
end

local patient = ARGV[17] == '1'
local expired = patient and {} or redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', time)
if next(dead) then
  local rest = patient and '-inf' or '(' .. time
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], rest, '+inf')) do
    if dead[redis.call('HGET', 'rq:execution:' .. member, 'worker_name')] then
      expired[#expired + 1] = member
    end
  end
end

local function is_elsewhere(worker)
  local machine = worker and redis.call('HGET', 'rq:worker:' .. worker, 'mlxq_machine')
  return machine and machine ~= ARGV[16]
end

local requeued, failed, cancelled = {}, {}, {}

local function fail(id, crashes)
  local function counted(text)
    return (string.gsub(text, '{crashes}', crashes == 1 and 'once' or crashes .. ' times'))
  end
  redis.call('HSET', 'rq:job:' .. id, 'exc_info', counted(ARGV[9]), 'mlxq_error', counted(ARGV[11]))
  redis.call('XADD', 'rq:results:' .. id, 'MAXLEN', 10, '*', unpack(cjson.decode(ARGV[10])))
  conclude(id, 'failed', KEYS[3], counted(ARGV[7]), ARGV[1], ttl, events_ttl)
  failed[#failed + 1] = id
end

-- Waiting jobs that were suspected of the death of this worker lose nothing by it.
local function clear(worker)
  for _, class in ipairs(CLASSES) do
    for _, id in ipairs(redis.call('ZRANGE', waiting_key(ARGV[15], class), 0, -1)) do
      if redis.call('HGET', 'rq:job:' .. id, 'mlxq_suspect') == worker then
        redis.call('HDEL', 'rq:job:' .. id, 'mlxq_suspect', 'mlxq_crashes', 'mlxq_charge')
      end
    end
  end
end

-- Jobs that go back to the queue, by the end of their lease. Those without output yet are first: most crashes happen
-- while a prompt is read, and the others can run together again when the culprit is found.
local silent, others = {}, {}
for _, member in ipairs(expired) do
  local id, execution = string.match(member, '^(.*):(.-)$')
  local run = redis.call('HMGET', 'rq:execution:' .. member, 'worker_name', 'emitted')
  drop_execution(KEYS[2], id, execution)
  local job = redis.call('HMGET', 'rq:job:' .. id, 'status', 'mlxq_cancel', 'mlxq_suspect')
  local step = run[1] and steps[run[1]]
  local list = others
  if job[1] ~= 'started' then
    list = nil
  elseif job[2] then
    conclude(id, 'canceled', KEYS[4], ARGV[8], ARGV[1], ttl, events_ttl)
    cancelled[#cancelled + 1] = id
    list = nil
  elseif not step or step.executions[execution] then
    local crashes = redis.call('HINCRBY', 'rq:job:' .. id, 'mlxq_crashes', 1)
    redis.call('HSET', 'rq:job:' .. id, 'mlxq_charge', execution)
    local elsewhere = not step and is_elsewhere(run[1])
    -- Who had company is not found guilty, but not for ever.
    if crashes >= ((elsewhere or step and step.company) and 2 * most or most) then
      fail(id, crashes)
      if job[3] then
        clear(job[3])
      end
      list = nil
    elseif isolate and (crashes > 1 or not elsewhere) then
      redis.call('HSET', 'rq:job:' .. id, 'mlxq_suspect', run[1] or '')
      list = run[2] == '1' and silent or others
    end
  end
  if list then
    list[#list + 1] = id
  end
end
-- The oldest last, so that it ends up at the very front.
for _, list in ipairs({ others, silent }) do
  for i = #list, 1, -1 do
    requeue(list[i], ARGV[6])
    requeued[#requeued + 1] = list[i]
  end
end

local waiting = redis.call('LRANGE', KEYS[1], 0, -1)
for i = #waiting, 1, -1 do
  local id = waiting[i]
  if redis.call('HGET', 'rq:job:' .. id, 'status') ~= 'queued' then
    redis.call('LREM', KEYS[1], 1, id)
  else
    local first = redis.call('ZSCORE', KEYS[5], id)
    if not first then
      redis.call('ZADD', KEYS[5], time, id)
      redis.call('EXPIRE', KEYS[5], 3600)
    elseif time - tonumber(first) >= tonumber(ARGV[3]) then
      redis.call('LREM', KEYS[1], 1, id)
      redis.call('ZREM', KEYS[5], id)
      put_back(id)
      requeued[#requeued + 1] = id
    end
  end
end
-- What was seen on its way to a lane has arrived.
if #waiting == 0 then
  redis.call('DEL', KEYS[5])
end
redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', time - 60)
return { requeued, failed, cancelled }
