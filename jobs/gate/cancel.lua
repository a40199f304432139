-- Cancel a job: at once when it waits, by a flag that its worker sees when it runs.
-- ARGV: id, now (ISO), ttl, events ttl
-- Returns 'cancelled' | 'cancelling' | 'gone' | RQ's status of a job that has already ended
return call_off(ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])) or 'gone'
