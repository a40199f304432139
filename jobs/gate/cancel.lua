-- Cancel a job: at once when it waits, by a flag that its worker sees when it runs.
-- Where an API process gives up its wait for the job, only the last one that waits cancels it.
-- KEYS: job, queue, cancelled registry, deferred registry
-- ARGV: id, now (ISO), ttl, events ttl, event, the API process that gives up or ''
-- Returns 'cancelled' | 'cancelling' | 'gone' | 'shared' (another process waits for it) | RQ's status of a job that has already ended
local id = ARGV[1]
local status = redis.call('HGET', KEYS[1], 'status')
if not status then
  return 'gone'
end
if ARGV[6] ~= '' and remove_caller(id, ARGV[6]) then
  return 'shared'
end
if status == 'queued' or status == 'deferred' then
  redis.call('LREM', KEYS[2], 1, id)
  redis.call('ZREM', KEYS[4], id)
  conclude(id, 'canceled', KEYS[3], ARGV[5], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]))
  return 'cancelled'
end
if status == 'started' then
  redis.call('HSET', KEYS[1], 'mlxq_cancel', '1')
  redis.call('PUBLISH', COMMANDS, 'cancel ' .. id)
  return 'cancelling'
end
return status
