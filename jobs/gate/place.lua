-- The place of a job in its queue: 1 is next.
-- ARGV: id
-- Returns false where it does not wait in a line.
local category, class, app = line_of(ARGV[1])
if not category then
  return false
end
local index = redis.call('LPOS', 'rq:queue:' .. line_name(category, class, app), ARGV[1])
return index and place_of(category, class, app, index + 1, in_lines(category))
