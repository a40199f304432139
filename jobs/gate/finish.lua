-- End an execution that this worker still holds.
-- KEYS: job, started registry, registry of the end, results stream
-- ARGV: id, execution, status (finished|failed|canceled), now (ISO), ttl, events ttl, event,
--       exception text or '', error (JSON) or '', files that the result names or '', what is counted of the result
--       (names and numbers), ms since its first token or '', then field, value, ... of RQ's Result
-- Returns { 1, ids of jobs that waited for it and failed with it }, or 0 when the execution was lost: then nothing is
-- written.
local id, execution = ARGV[1], ARGV[2]
if not redis.call('ZSCORE', KEYS[2], id .. ':' .. execution) then
  return 0
end
redis.call('ZREM', KEYS[2], id .. ':' .. execution)
redis.call('DEL', 'rq:execution:' .. id .. ':' .. execution, 'rq:executions:' .. id)
if ARGV[8] ~= '' then
  redis.call('HSET', KEYS[1], 'exc_info', ARGV[8], 'mlxq_error', ARGV[9])
end
if ARGV[10] ~= '' then
  redis.call('HSET', KEYS[1], 'mlxq_outputs', ARGV[10])
end
local job = redis.call('HMGET', KEYS[1], 'mlxq_kind', 'mlxq_submitted_ms')
for name, number in string.gmatch(ARGV[11], '(%S+) (%d+)') do
  count('made|' .. (job[1] or '') .. '|' .. name, number)
end
if ARGV[12] ~= '' and job[2] then
  observe('first|' .. (job[1] or ''), now() * 1000 - tonumber(job[2]) - tonumber(ARGV[12]))
end
redis.call('XADD', KEYS[4], 'MAXLEN', 10, '*', unpack(ARGV, 13))
local failed = conclude(id, ARGV[3], KEYS[3], ARGV[7], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]),
  ARGV[11])
return { 1, unpack(failed) }
