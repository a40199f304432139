-- Counts of what has happened, in one hash that all processes share (jobs/metrics.py). They are never set back.

local METRICS = 'mlxq:metrics'
-- Upper bounds of the buckets of times, in milliseconds.
local BOUNDS = { 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 1800000 }

local function count(field, by)
  call('HINCRBY', METRICS, field, by)
end

-- A time in milliseconds, into the bucket that it falls in, and into the sum of all.
local function observe(name, milliseconds)
  local time, bucket = math.max(0, math.floor(milliseconds)), 'inf'
  for _, bound in ipairs(BOUNDS) do
    if time <= bound then
      bucket = bound
      break
    end
  end
  count(name .. '|' .. bucket, 1)
  count(name .. '|sum', time)
end
