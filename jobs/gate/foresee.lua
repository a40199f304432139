-- Keep what was foreseen of jobs, to compare it with their ends (states.lua: `correct`).
-- ARGV: id, phase, seconds until its end, then the same again, ...
local time = string.format('%.3f', now())
for i = 1, #ARGV, 3 do
  local key = 'rq:job:' .. ARGV[i]
  local job = call('HMGET', key, 'status', 'mlxq_foreseen')
  if job[1] == 'queued' or job[1] == 'started' then
    local told = ARGV[i + 1] .. ' ' .. time .. ' ' .. ARGV[i + 2]
    call('HSET', key, 'mlxq_foreseen', job[2] and job[2] .. ' ' .. told or told)
  end
end
