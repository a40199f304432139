-- Shared by every script of the gate; prepended when they are registered.

local call = redis.call
-- Followed by the name of the API process that listens.
local BUS = 'mlxq:bus:'
local COMMANDS = 'mlxq:commands'
-- More entries than any model emits: a bound against runaways, not a window.
-- A string, as numbers are formatted anew for each command.
local MAX_EVENTS = '100000'
-- Seconds that a job's watchers are known after the last one came or looked.
local WATCHED = 21600

local function now()
  local time = call('TIME')
  return tonumber(time[1]) + tonumber(time[2]) / 1000000
end

local function events_key(id)
  return 'mlxq:events:' .. id
end

-- `words` with spaces between, without `word`.
local function without(words, word)
  local kept = {}
  for each in string.gmatch(words or '', '%S+') do
    if each ~= word then
      kept[#kept + 1] = each
    end
  end
  return table.concat(kept, ' ')
end

-- The API processes that watch a job, which its events are published to: names with spaces between.
local function watchers_key(id)
  return 'mlxq:watchers:' .. id
end

local function set_watchers(id, watchers)
  if watchers == '' then
    call('DEL', watchers_key(id))
  else
    call('SET', watchers_key(id), watchers, 'EX', WATCHED)
  end
end

-- Append one event (JSON) to a job's stream, and to the messages for its watchers. NOMKSTREAM unless `create`:
-- an event must not bring a finished job's stream back to life without a TTL.
local function append(messages, watchers, id, event, create)
  local entry
  if create then
    entry = call('XADD', 'mlxq:events:' .. id, 'MAXLEN', '~', MAX_EVENTS, '*', 'e', event)
  else
    entry = call('XADD', 'mlxq:events:' .. id, 'NOMKSTREAM', 'MAXLEN', '~', MAX_EVENTS, '*', 'e', event)
  end
  if not entry or not watchers or watchers == '' then
    return
  end
  local frame = '["' .. id .. '","' .. entry .. '",' .. event .. ']'
  local frames = messages[watchers]
  if frames then
    frames[#frames + 1] = frame
  else
    messages[watchers] = { frame }
  end
end

-- One message for each set of watchers. Who does not listen is a process that has ended, or that will register
-- again when it listens again (jobs/bus.py).
local function publish(messages)
  for watchers, frames in pairs(messages) do
    local text = '[' .. table.concat(frames, ',') .. ']'
    for process in string.gmatch(watchers, '%S+') do
      if call('PUBLISH', BUS .. process, text) == 0 then
        -- Made here: set_watchers, without
        for _, frame in ipairs(frames) do
          local id = string.match(frame, '^%["(.-)"')
          set_watchers(id, without(call('GET', watchers_key(id)), process))
        end
      end
    end
  end
end

-- Append one event, and publish it. Returns its watchers, if it has any.
local function emit(id, event)
  local messages, watchers = {}, call('GET', watchers_key(id))
  append(messages, watchers, id, event, true)
  publish(messages)
  return watchers
end

local function files_key(id)
  return 'mlxq:files:' .. id
end
