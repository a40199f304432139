-- End an execution that this worker still holds.
-- KEYS: job, started registry, registry of the end, results stream
-- ARGV: id, execution, status (finished|failed|canceled), now (ISO), ttl, events ttl, event,
--       exception text or '', error (JSON) or '', files that the result names or '', what is counted of the result
--       (names and numbers), ms since its first token or '', then field, value, ... of RQ's Result
-- Returns { 1, ids of jobs that waited for it and failed with it }, or 0 when the execution was lost: then nothing is
-- written.
local id, execution = ARGV[1], ARGV[2]
if redis.call('ZREM', KEYS[2], id .. ':' .. execution) == 0 then
  return 0
end
redis.call('DEL', 'rq:execution:' .. id .. ':' .. execution, 'rq:executions:' .. id)
if ARGV[8] ~= '' then
  redis.call('HSET', KEYS[1], 'exc_info', ARGV[8], 'mlxq_error', ARGV[9])
end
if ARGV[10] ~= '' then
  redis.call('HSET', KEYS[1], 'mlxq_outputs', ARGV[10])
end
redis.call('XADD', KEYS[4], 'MAXLEN', 10, '*', unpack(ARGV, 13))
local failed = conclude(id, ARGV[3], KEYS[3], ARGV[7], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]),
  ARGV[11], tonumber(ARGV[12]))
return { 1, unpack(failed) }
