-- Say how far an execution is: in its job's hash and stream, and in those of the jobs that wait for its end.
-- KEYS: job, started registry
-- ARGV: id, execution, progress (JSON), event, what dependents keep (JSON), event for dependents
-- Returns 1, or 0 when the execution was lost: then nothing is written.
local id, execution = ARGV[1], ARGV[2]
if not redis.call('ZSCORE', KEYS[2], id .. ':' .. execution) then
  return 0
end
redis.call('HSET', KEYS[1], 'mlxq_progress', ARGV[3])
local messages = {}
append(messages, call('GET', watchers_key(id)), id, ARGV[4], true)
for _, dependent in ipairs(redis.call('SMEMBERS', 'rq:job:' .. id .. ':dependents')) do
  local hash = 'rq:job:' .. dependent
  if redis.call('HGET', hash, 'status') == 'deferred' then
    redis.call('HSET', hash, 'mlxq_progress', ARGV[5])
    append(messages, call('GET', watchers_key(dependent)), dependent, ARGV[6], true)
  end
end
publish(messages)
return 1
