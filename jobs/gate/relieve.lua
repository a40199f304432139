-- Delete ended jobs, the oldest first, while Redis' memory is short.
-- ARGV: high-water mark of memory (0..1), ttl of ended jobs
-- Returns how many were deleted.
local _, deleted = make_room(tonumber(ARGV[1]), tonumber(ARGV[2]))
return deleted
