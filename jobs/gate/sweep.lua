-- Cancel the jobs of a queue whose clients have not come back in time.
-- ARGV: queue's name, now (ISO), ttl, events ttl
-- Returns the ids of those that were cancelled at once. Those that run end as cancelled jobs do.
return end_lingering(ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]))
