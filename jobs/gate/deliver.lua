-- Clients of an API process have got the whole answers of jobs.
-- ARGV: process, then id, whether it was the last client there that waits for it (0|1), the same again, ...
for i = 2, #ARGV, 2 do
  local key = 'rq:job:' .. ARGV[i]
  if call('EXISTS', key) == 1 then
    call('HSET', key, 'mlxq_delivered', '1')
    if ARGV[i + 1] == '1' then
      remove_caller(ARGV[i], ARGV[1])
    end
  end
end
return 1
