-- What waits, runs and has ended in each queue, in numbers. It only reads.
-- ARGV: the last waits of a queue that its median is of, then queues.
-- Returns { { what is paused }, { a row for each queue } }. A row is { jobs that wait by class: interactive, normal,
-- background; queued by RQ's tools, deferred, running, lingering, finished, failed, cancelled, those of them that
-- expired; the median wait in milliseconds or '' }.
local call = redis.call

local function median(key, most)
  local waits = call('LRANGE', key, 0, most - 1)
  for i = 1, #waits do
    waits[i] = tonumber(waits[i]) or 0
  end
  table.sort(waits)
  return waits[math.floor(#waits / 2) + 1] or ''
end

local rows = {}
for i = 2, #ARGV do
  local queue, row = ARGV[i], {}
  for _, class in ipairs({ 'interactive', 'normal', 'background' }) do
    row[#row + 1] = call('ZCARD', 'mlxq:waiting:' .. queue .. ':' .. class)
  end
  row[#row + 1] = call('LLEN', 'rq:queue:' .. queue)
  for _, set in ipairs({ 'rq:deferred:', 'rq:wip:', 'mlxq:lingering:', 'rq:finished:', 'rq:failed:', 'rq:canceled:',
    'mlxq:expired:' }) do
    row[#row + 1] = call('ZCARD', set .. queue)
  end
  row[#row + 1] = median('mlxq:waits:' .. queue, tonumber(ARGV[1]))
  rows[#rows + 1] = row
end
return { call('HKEYS', 'mlxq:paused'), rows }
