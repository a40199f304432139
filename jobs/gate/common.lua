-- Shared by every script of the gate; prepended when they are registered.

local BUS = 'mlxq:bus'
local COMMANDS = 'mlxq:commands'
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

-- Give up an execution: the lease, RQ's record of it and the job's list of executions.
local function drop_execution(wip, id, execution)
  redis.call('ZREM', wip, id .. ':' .. execution)
  redis.call('DEL', 'rq:execution:' .. id .. ':' .. execution)
  redis.call('ZREM', 'rq:executions:' .. id, execution)
end

-- The end of a job: status, registry, times to live, the terminal event.
-- `status` is RQ's word, `registry` the queue's registry of that end.
local function conclude(id, status, registry, event, now_iso, ttl, events_ttl)
  local key = 'rq:job:' .. id
  redis.call('HSET', key, 'status', status, 'ended_at', now_iso)
  redis.call('EXPIRE', key, ttl)
  redis.call('ZADD', registry, now() + ttl, id)
  redis.call('EXPIRE', 'rq:results:' .. id, ttl)
  emit(events_key(id), id, event, true)
  redis.call('EXPIRE', events_key(id), events_ttl)
end

-- Put a started job back at the front of its queue.
local function requeue(id, queue, event)
  local key = 'rq:job:' .. id
  redis.call('HSET', key, 'status', 'queued')
  redis.call('HDEL', key, 'started_at', 'worker_name')
  redis.call('LPUSH', queue, id)
  emit(events_key(id), id, event, true)
end
