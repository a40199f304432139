-- Begin a delivery anew, or have the next attempt made at once.
-- ARGV: shift, id, now (ISO)
-- Returns RQ's status that it had, or '' where there is no such delivery.
local id = ARGV[2]
local job = call('HMGET', key_of(id), 'status', 'mlxq_event')
if not job[2] then
  return ''
end
if job[1] == 'queued' or job[1] == 'started' then
  return job[1]
end
call('ZREM', SCHEDULED, id)
call('ZREM', FINISHED, id)
call('ZREM', FAILED, id)
call('PERSIST', key_of(id))
if job[1] ~= 'scheduled' then
  call('HSET', key_of(id), 'mlxq_tries', 0, 'mlxq_log', '[]')
  call('HDEL', key_of(id), 'ended_at')
end
queue(id, ARGV[3])
call('PUBLISH', 'mlxq:bus:news', 'webhooks')
return job[1]
