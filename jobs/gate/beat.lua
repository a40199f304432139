-- Renew the leases of a lane's executions.
-- KEYS: started registry
-- ARGV: lease (s), now (ISO), epoch, id, execution, id, execution, ...
-- Returns, flat, 'lost' or 'cancel' and the execution, for each that needs attention.
local time, answer = now(), {}
local score = time + tonumber(ARGV[1])
for i = 4, #ARGV, 2 do
  local id, execution = ARGV[i], ARGV[i + 1]
  local member = id .. ':' .. execution
  if redis.call('ZSCORE', KEYS[1], member) then
    redis.call('ZADD', KEYS[1], score, member)
    redis.call('HSET', 'rq:execution:' .. member, 'last_heartbeat', ARGV[3])
    redis.call('EXPIRE', 'rq:execution:' .. member, 3600)
    redis.call('HSET', 'rq:job:' .. id, 'last_heartbeat', ARGV[2])
    if redis.call('HEXISTS', 'rq:job:' .. id, 'mlxq_cancel') == 1 then
      answer[#answer + 1] = 'cancel'
      answer[#answer + 1] = execution
    end
  else
    answer[#answer + 1] = 'lost'
    answer[#answer + 1] = execution
  end
end
return answer
