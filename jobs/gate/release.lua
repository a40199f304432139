-- Give a running job back, unharmed: the worker drains. Only crashes count against its tries.
-- KEYS: started registry, queue
-- ARGV: id, execution, event
local id, execution = ARGV[1], ARGV[2]
if not redis.call('ZSCORE', KEYS[1], id .. ':' .. execution) then
  return 0
end
drop_execution(KEYS[1], id, execution)
requeue(id, KEYS[2], ARGV[3])
return 1
