-- Publish a job's events to an API process from now on, unless the job has ended.
-- ARGV: id, process
if living(ARGV[1]) then
  add_watcher(ARGV[1], ARGV[2])
end
return 1
