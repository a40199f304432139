-- Give a model's waiting jobs a priority: they wait behind what is as urgent, before what is less so.
-- ARGV: category, the model's id, priority
-- Returns how many jobs that were.
local category, moved = ARGV[1], 0
for _, class in ipairs(CLASSES) do
  local waiting = waiting_key(category, class)
  for _, app in ipairs(redis.call('ZRANGE', lines_key(category, class), 0, -1)) do
    for _, id in ipairs(redis.call('LRANGE', 'rq:queue:' .. line_name(category, class, app), 0, -1)) do
      if redis.call('HGET', 'rq:job:' .. id, 'mlxq_model') == ARGV[2] then
        local since = redis.call('ZSCORE', waiting, id) or now() * 1000
        redis.call('HSET', 'rq:job:' .. id, 'mlxq_priority', ARGV[3])
        leave(id, category, class, app)
        wait_in_line(id, category, class, app, since, tonumber(ARGV[3]))
        moved = moved + 1
      end
    end
  end
end
return moved
