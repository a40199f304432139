-- Give a running job back, unharmed: the worker drains. Only crashes count against its tries.
-- KEYS: started registry
-- ARGV: id, execution, event, what it is suspected of or '': as a suspect it runs again alone
local id, execution = ARGV[1], ARGV[2]
if not redis.call('ZSCORE', KEYS[1], id .. ':' .. execution) then
  return 0
end
drop_execution(KEYS[1], id, execution)
if ARGV[4] ~= '' then
  redis.call('HSET', 'rq:job:' .. id, 'mlxq_suspect', ARGV[4])
end
requeue(id, ARGV[3])
return 1
