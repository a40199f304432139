-- Give a model's waiting jobs a priority: they wait behind what is as urgent, before what is less so.
-- KEYS: queue
-- ARGV: the model's id, priority
-- Returns how many jobs that were.
local moved = 0
for _, id in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  if redis.call('HGET', 'rq:job:' .. id, 'mlxq_model') == ARGV[1] then
    redis.call('HSET', 'rq:job:' .. id, 'mlxq_priority', ARGV[2])
    redis.call('LREM', KEYS[1], 1, id)
    wait_in_line(KEYS[1], id)
    moved = moved + 1
  end
end
return moved
