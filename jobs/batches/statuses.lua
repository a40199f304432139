-- RQ's statuses of jobs, '' for those that are not there.
-- ARGV: ids
local found = {}
for place, id in ipairs(ARGV) do
  found[place] = redis.call('HGET', 'rq:job:' .. id, 'status') or ''
end
return found
