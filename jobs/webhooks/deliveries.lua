-- What the scripts of deliveries share. Times are those of Redis' clock, `SHIFT` seconds later: tests look ahead.

local call = redis.call
local NAME = 'webhook'
local QUEUE, SCHEDULED, STARTED = 'rq:queue:' .. NAME, 'rq:scheduled:' .. NAME, 'rq:wip:' .. NAME
local FINISHED, FAILED = 'rq:finished:' .. NAME, 'rq:failed:' .. NAME
-- Every delivery by the millisecond of its creation.
local DELIVERIES = 'mlxq:deliveries'
local SHIFT = tonumber(ARGV[1])

local function now()
  local time = call('TIME')
  return tonumber(time[1]) + tonumber(time[2]) / 1000000 + SHIFT
end

local function key_of(id)
  return 'rq:job:' .. id
end

-- Forget the attempt that a process is at.
local function drop_execution(id, execution)
  call('ZREM', STARTED, id .. ':' .. execution)
  call('DEL', 'rq:execution:' .. id .. ':' .. execution, 'rq:executions:' .. id)
end

-- Let a delivery wait for the next free place.
local function queue(id, now_iso)
  call('HSET', key_of(id), 'status', 'queued', 'enqueued_at', now_iso)
  call('RPUSH', QUEUE, id)
end
