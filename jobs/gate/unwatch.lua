-- An API process does not watch a job any more.
-- ARGV: id, process
set_watchers(ARGV[1], without(call('GET', watchers_key(ARGV[1])), ARGV[2]))
return 1
