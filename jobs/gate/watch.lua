-- Publish a job's events to an API process from now on, unless the job has ended.
-- ARGV: id, process
-- Returns 1 where they were not published to it before, else 0.
return living(ARGV[1]) and add_watcher(ARGV[1], ARGV[2]) and 1 or 0
