-- Change how a job waits.
-- ARGV: id, what: 'hold', 'unhold', 'front', 'up', or 'class', the class
-- Returns 'ok' | 'gone' | 'taken' (a worker has it just now) | RQ's status of a job that does not wait
local id, what, to = ARGV[1], ARGV[2], ARGV[3]
local key = 'rq:job:' .. id
local job = redis.call('HMGET', key, 'status', 'mlxq_held', 'mlxq_since', 'dependency_ids')
local status, held, since, needs = job[1], job[2], job[3], job[4]
if not status then
  return 'gone'
end
if status ~= 'queued' and status ~= 'deferred' then
  return status
end
local category, class, app = line_of(id)

-- Let it wait before those that came after it.
local function enter_by_age()
  local _, own_class, own = line_of(id)
  local line, waiting = 'rq:queue:' .. line_name(category, own_class, own), waiting_key(category, own_class)
  redis.call('HSET', key, 'origin', line_name(category, own_class, own))
  for _, other in ipairs(redis.call('LRANGE', line, 0, -1)) do
    if tonumber(redis.call('ZSCORE', waiting, other) or '0') > tonumber(since) then
      redis.call('LINSERT', line, 'BEFORE', other, id)
      redis.call('ZADD', waiting, since, id)
      return
    end
  end
  enter(id, category, own_class, own, since, 'RPUSH')
end

if status == 'deferred' then
  -- It has no place: it waits for another job, or is held.
  if what == 'hold' then
    redis.call('HSET', key, 'mlxq_held', '1')
  elseif what == 'class' then
    redis.call('HSET', key, 'mlxq_class', to)
  elseif what == 'front' or what == 'up' then
    return status
  elseif held then
    redis.call('HDEL', key, 'mlxq_held', 'mlxq_since')
    if not needs then
      since = since or now() * 1000
      redis.call('ZREM', 'rq:deferred:' .. category, id)
      redis.call('HSET', key, 'status', 'queued')
      enter_by_age()
    end
  end
  return 'ok'
end

local line = 'rq:queue:' .. line_name(category, class, app)
local index = redis.call('LPOS', line, id)
if not index then
  return 'taken'
end
since = redis.call('ZSCORE', waiting_key(category, class), id) or now() * 1000
if what == 'hold' then
  leave(id, category, class, app)
  redis.call('HSET', key, 'status', 'deferred', 'origin', category, 'mlxq_held', '1', 'mlxq_since', since)
  redis.call('ZADD', 'rq:deferred:' .. category, now(), id)
elseif what == 'front' or (what == 'up' and index == 0) then
  leave(id, category, class, app)
  enter_first(id, category, class, since)
elseif what == 'up' then
  local before = redis.call('LINDEX', line, index - 1)
  redis.call('LREM', line, 1, id)
  redis.call('LINSERT', line, 'BEFORE', before, id)
elseif what == 'class' and to ~= class then
  leave(id, category, class, app)
  redis.call('HSET', key, 'mlxq_class', to)
  redis.call('HDEL', key, 'mlxq_first')
  enter_by_age()
end
return 'ok'
