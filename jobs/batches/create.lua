-- Accept a batch.
-- KEYS: batch, list of its dialect
-- ARGV: id, ms of now, most open batches, blob of its input, then field, value, ... of its record
-- Returns 1, or 0 where as many are open as may be.
if call('ZCARD', 'mlxq:open-batches') >= tonumber(ARGV[3]) then
  return 0
end
call('HSET', KEYS[1], unpack(ARGV, 5))
call('ZADD', 'mlxq:open-batches', ARGV[2], ARGV[1])
call('ZADD', KEYS[2], ARGV[2], ARGV[1])
hold(ARGV[4])
call('PUBLISH', 'mlxq:bus:news', 'batches')
return 1
