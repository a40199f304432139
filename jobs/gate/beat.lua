-- Renew the leases of a lane's executions.
-- KEYS: started registry
-- ARGV: lease (s), now (ISO), epoch, id, execution, id, execution, ...
-- Returns, flat, 'lost', 'cancel' or 'linger' (its client has left) and the execution, for each that needs attention.
local time, answer = now(), {}
-- Seconds up to the next beat, for which an app is charged already.
local AHEAD = 1.5
local score = time + tonumber(ARGV[1])
for i = 4, #ARGV, 2 do
  local id, execution = ARGV[i], ARGV[i + 1]
  local member = id .. ':' .. execution
  if redis.call('ZSCORE', KEYS[1], member) then
    redis.call('ZADD', KEYS[1], score, member)
    redis.call('HSET', 'rq:execution:' .. member, 'last_heartbeat', ARGV[3])
    redis.call('EXPIRE', 'rq:execution:' .. member, 3600)
    redis.call('HSET', 'rq:job:' .. id, 'last_heartbeat', ARGV[2])
    local job = redis.call('HMGET', 'rq:job:' .. id, 'mlxq_cancel', 'mlxq_lingers_until', 'origin', 'mlxq_class',
      'mlxq_share', 'mlxq_charged', 'mlxq_ran_ms')
    local ran = job[7] and time - tonumber(job[7]) / 1000 or 0
    if job[6] and ran > tonumber(job[6]) then
      settle(category_of(job[3]), job[4], job[5], job[6], ran + AHEAD)
      redis.call('HSET', 'rq:job:' .. id, 'mlxq_charged', ran + AHEAD)
    end
    if job[1] or job[2] then
      answer[#answer + 1] = job[1] and 'cancel' or 'linger'
      answer[#answer + 1] = execution
    end
  else
    -- This worker lives: what it ran did not end it.
    if redis.call('HGET', 'rq:job:' .. id, 'mlxq_charge') == execution then
      redis.call('HDEL', 'rq:job:' .. id, 'mlxq_charge')
      if redis.call('HINCRBY', 'rq:job:' .. id, 'mlxq_crashes', -1) == 0 then
        redis.call('HDEL', 'rq:job:' .. id, 'mlxq_suspect')
      end
    end
    answer[#answer + 1] = 'lost'
    answer[#answer + 1] = execution
  end
end
return answer
