-- Cancel a running job that lingers, because another one needs its place.
-- KEYS: started registry
-- ARGV: id, execution
-- Returns 1, or 0 where a client waits for it again: then it goes on.
local id = ARGV[1]
if not call('ZSCORE', KEYS[1], id .. ':' .. ARGV[2]) then
  return 0
end
local job = call('HMGET', 'rq:job:' .. id, 'status', 'origin', 'mlxq_lingers_until')
if job[1] ~= 'started' or not job[3] then
  return 0
end
stop_lingering(id, category_of(job[2]))
call('HSET', 'rq:job:' .. id, 'mlxq_cancel', '1')
return 1
