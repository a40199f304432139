-- What the scripts of batches share.

local ENDED = { failed = true, completed = true, expired = true, cancelled = true }

local function now()
  local time = call('TIME')
  return tonumber(time[1]) + tonumber(time[2]) / 1000000
end

-- Bring a batch to a status.
local function become(key, status)
  call('HSET', key, 'status', status, 'at:' .. status, math.floor(now()))
end
