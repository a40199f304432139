-- The last client of an API process that waits for a job does so no more, and has not got the whole answer.
-- ARGV: id, process, whether the process still watches it (0|1), how: 'told' (it has the job's id, and will ask),
--       'kept' (it has left, and the job goes on) or 'left' (it lingers, or ends), now (ISO), ttl, events ttl
-- Returns 'shared' (another process waits for it) | 'kept' | 'lingers' | 'cancelled' | 'cancelling' | 'gone' | RQ's
-- status of a job that has already ended
local id, process, how = ARGV[1], ARGV[2], ARGV[4]
local key = 'rq:job:' .. id
if ARGV[3] == '0' then
  set_watchers(id, without(call('GET', watchers_key(id)), process))
end
local job = call('HMGET', key, 'status', 'origin', 'mlxq_linger')
local status, linger = job[1], tonumber(job[3] or '0')
if not status then
  return 'gone'
end
if remove_caller(id, process) then
  return 'shared'
end
if how == 'told' then
  return 'kept'
end
if not living(id) then
  if status == 'finished' and linger > 0 then
    call('HSET', key, 'mlxq_left', '1', 'mlxq_found_until', now() + linger)
  end
  return status
end
if how == 'left' and linger == 0 then
  return call_off(id, ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7]))
end
call('HSET', key, 'mlxq_left', '1')
if how == 'kept' then
  return 'kept'
end
local deadline = now() + linger
call('HSET', key, 'mlxq_lingers_until', string.format('%.3f', deadline))
call('ZADD', lingering_key(category_of(job[2])), deadline, id)
if status == 'started' then
  call('PUBLISH', COMMANDS, 'linger ' .. id)
end
return 'lingers'
