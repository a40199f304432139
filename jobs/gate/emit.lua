-- One engine step: an event for each of many jobs, in one round trip and one message on the bus.
-- KEYS: started registry
-- ARGV: id, execution, event, id, execution, event, ...
-- Returns the executions that this worker has lost: their events were not written.
local frames, lost = {}, {}
for i = 1, #ARGV, 3 do
  local id, execution = ARGV[i], ARGV[i + 1]
  if redis.call('ZSCORE', KEYS[1], id .. ':' .. execution) then
    frames[#frames + 1] = append(events_key(id), id, ARGV[i + 2], false)
  else
    lost[#lost + 1] = execution
  end
end
publish(frames)
return lost
