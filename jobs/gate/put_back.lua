-- Return jobs that were taken but not claimed to the front of their classes, in their order.
-- KEYS: intermediate list
-- ARGV: their ids
for i = #ARGV, 1, -1 do
  if redis.call('LREM', KEYS[1], 1, ARGV[i]) == 1 and redis.call('HGET', 'rq:job:' .. ARGV[i], 'status') == 'queued' then
    put_back(ARGV[i])
  end
end
return 1
