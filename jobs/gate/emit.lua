-- One engine step: an event for each of many jobs, in one round trip and one message on the bus.
-- ARGV: id, execution, number, event, then the same again, ... The numbers of an execution count from 1: an event that
-- was written before (the answer was lost, the worker writes again) is not written twice.
-- Returns the executions that this worker has lost: their events were not written.
-- The last progress is kept with the job, for whoever asks later; so is where its files lie that a step has made.
local PROGRESS = '{"type":"progress",'
local FILES = { ['{"type":"preview",'] = true, ['{"type":"partial",'] = true }
-- A job that waits for its model does not run yet. Both are of one length.
local LOADING, LOADED = '{"type":"loading', '{"type":"loaded"'
-- Where the type of an event begins, and how that of a delta does.
local TYPE, DELTA = #'{"type":"' + 1, string.byte('d')
-- Keys read by one command.
local MOST_KEYS = 1000

-- The watchers of each job.
local watchers = {}
if #ARGV == 4 then
  watchers[ARGV[1]] = call('GET', watchers_key(ARGV[1]))
else
  local ids, names = {}, {}
  for i = 1, #ARGV, 4 do
    local id = ARGV[i]
    if watchers[id] == nil then
      watchers[id] = false
      ids[#ids + 1], names[#names + 1] = id, watchers_key(id)
    end
  end
  for first = 1, #ids, MOST_KEYS do
    for i, found in ipairs(call('MGET', unpack(names, first, math.min(#names, first + MOST_KEYS - 1)))) do
      watchers[ids[first + i - 1]] = found
    end
  end
end

local messages, lost = {}, {}
for i = 1, #ARGV, 4 do
  local id, execution, number = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
  local key = 'rq:execution:' .. id .. ':' .. execution
  -- One command instead of two: it is 1 more than the number of the last event.
  local emitted = call('HINCRBY', key, 'emitted', '1')
  if emitted == 1 then
    -- It was not there.
    call('DEL', key)
    lost[#lost + 1] = execution
  elseif emitted > number + 1 then
    call('HINCRBY', key, 'emitted', '-1')
  else
    if emitted <= number then
      call('HSET', key, 'emitted', number + 1)
    end
    if string.byte(ARGV[i + 3], TYPE) == DELTA then
      -- The usual case: nothing but the stream is told.
    elseif string.sub(ARGV[i + 3], 1, #PROGRESS) == PROGRESS then
      call('HSET', 'rq:job:' .. id, 'mlxq_progress', '{' .. string.sub(ARGV[i + 3], #PROGRESS + 1),
        'mlxq_progress_ms', math.floor(now() * 1000))
    elseif string.sub(ARGV[i + 3], 1, #LOADING) == LOADING then
      call('HSET', 'rq:job:' .. id, 'mlxq_loading', '1')
    elseif string.sub(ARGV[i + 3], 1, #LOADED) == LOADED then
      call('HDEL', 'rq:job:' .. id, 'mlxq_loading')
      call('HSET', 'rq:job:' .. id, 'mlxq_ran_ms', math.floor(now() * 1000))
    elseif FILES[string.sub(ARGV[i + 3], 1, 18)] then
      local file = cjson.decode(ARGV[i + 3])
      call('HSET', files_key(id), file.artifact, file.blob .. ' ' .. file.content_type)
    end
    append(messages, watchers[id], id, ARGV[i + 3], false)
  end
end
publish(messages)
return lost
