-- An API process does not wait for a job any more, or does not even watch it.
-- ARGV: id, process, whether it watches it (0|1)
remove_caller(ARGV[1], ARGV[2])
if ARGV[3] == '0' then
  set_watchers(ARGV[1], without(redis.call('GET', watchers_key(ARGV[1])), ARGV[2]))
end
return 1
