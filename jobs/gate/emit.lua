-- One engine step: an event for each of many jobs, in one round trip and one message on the bus.
-- ARGV: id, execution, number, event, then the same again, ... The numbers of an execution rise: an event that
-- was written before (the answer was lost, the worker writes again) is not written twice.
-- Returns the executions that this worker has lost: their events were not written.
-- The last progress is kept with the job, for whoever asks later; so is where its files lie that a step has made.
local PROGRESS = '{"type":"progress",'
local FILES = { ['{"type":"preview",'] = true, ['{"type":"partial",'] = true }
local frames, lost = {}, {}
for i = 1, #ARGV, 4 do
  local id, execution, number = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
  local key = 'rq:execution:' .. id .. ':' .. execution
  local last = redis.call('HGET', key, 'emitted')
  if not last then
    lost[#lost + 1] = execution
  elseif tonumber(last) < number then
    redis.call('HSET', key, 'emitted', number)
    if string.sub(ARGV[i + 3], 1, #PROGRESS) == PROGRESS then
      redis.call('HSET', 'rq:job:' .. id, 'mlxq_progress', '{' .. string.sub(ARGV[i + 3], #PROGRESS + 1))
    elseif FILES[string.sub(ARGV[i + 3], 1, 18)] then
      local file = cjson.decode(ARGV[i + 3])
      redis.call('HSET', files_key(id), file.artifact, file.blob .. ' ' .. file.content_type)
    end
    frames[#frames + 1] = append(events_key(id), id, ARGV[i + 3], false)
  end
end
publish(frames)
return lost
