-- Forget a batch that has ended, and those of its files that are not listed.
-- KEYS: batch, list of its dialect
-- ARGV: id, then ids of files
-- Returns whether it was there and had ended.
local status = call('HGET', KEYS[1], 'status')
if not status or not ENDED[status] then
  return 0
end
for i = 2, #ARGV do
  drop_file('mlxq:file:' .. ARGV[i], 'mlxq:file-parts:' .. ARGV[i], ARGV[i])
end
call('DEL', KEYS[1])
call('ZREM', KEYS[2], ARGV[1])
call('ZREM', 'mlxq:ended-batches', ARGV[1])
return 1
