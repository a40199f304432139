-- Take deliveries whose time has come, and bring back those whose process has died.
-- ARGV: shift, token of the process, lease (s), most, most of a host, now (ISO)
-- Returns the seconds until the next ones may be taken, '' where none are left, then id, execution, URL, body, tries, log,
-- id, ... of those that were taken.

-- Deliveries that are looked at in one go.
local LOOKED_AT = 128

local token, lease, most, most_of_host = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local time = now()

for _, member in ipairs(call('ZRANGEBYSCORE', STARTED, '-inf', time)) do
  local id, execution = string.match(member, '^(.*):(.-)$')
  drop_execution(id, execution)
  if call('HGET', key_of(id), 'status') == 'started' then
    queue(id, ARGV[6])
  end
end
for _, id in ipairs(call('ZRANGEBYSCORE', SCHEDULED, '-inf', time, 'LIMIT', 0, LOOKED_AT)) do
  call('ZREM', SCHEDULED, id)
  if call('HGET', key_of(id), 'status') == 'scheduled' then
    queue(id, ARGV[6])
  end
end

-- Attempts that run, by their hosts.
local running, count = {}, 0
for _, member in ipairs(call('ZRANGE', STARTED, 0, -1)) do
  local host = call('HGET', key_of(string.match(member, '^(.*):')), 'mlxq_host') or ''
  running[host] = (running[host] or 0) + 1
end

local taken, passed = { '' }, {}
for _ = 1, math.min(LOOKED_AT, call('LLEN', QUEUE)) do
  if count >= most then
    break
  end
  local id = call('LPOP', QUEUE)
  local job = call('HMGET', key_of(id), 'status', 'mlxq_url', 'mlxq_host', 'mlxq_body', 'mlxq_tries', 'mlxq_log')
  if job[1] == 'queued' and job[4] then
    if (running[job[3]] or 0) >= most_of_host then
      passed[#passed + 1] = id
    else
      running[job[3]] = (running[job[3]] or 0) + 1
      count = count + 1
      local execution = token .. '.' .. call('HINCRBY', key_of(id), 'mlxq_tries', 1)
      call('HSET', key_of(id), 'status', 'started', 'started_at', ARGV[6], 'last_heartbeat', ARGV[6],
        'worker_name', token)
      local record = 'rq:execution:' .. id .. ':' .. execution
      call('HSET', record, 'id', execution, 'created_at', math.floor(time), 'last_heartbeat', math.floor(time),
        'worker_name', token)
      call('EXPIRE', record, 3600)
      call('ZADD', 'rq:executions:' .. id, time + 3600, execution)
      call('EXPIRE', 'rq:executions:' .. id, 3600)
      call('ZADD', STARTED, time + lease, id .. ':' .. execution)
      for _, part in ipairs({ id, execution, job[2], job[4], tostring(tonumber(job[5] or 0) + 1), job[6] or '' }) do
        taken[#taken + 1] = part
      end
    end
  end
end
-- Those of busy hosts do not stand before others.
for _, id in ipairs(passed) do
  call('RPUSH', QUEUE, id)
end

local first
for _, registry in ipairs({ STARTED, SCHEDULED }) do
  local at = tonumber(call('ZRANGE', registry, 0, 0, 'WITHSCORES')[2])
  first = at and math.min(at, first or at) or first
end
if call('LLEN', QUEUE) > 0 then
  taken[1] = '0'
elseif first then
  taken[1] = string.format('%.3f', math.max(0, first - time))
end
return taken
