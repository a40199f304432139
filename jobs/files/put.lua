-- Store a file of one part.
-- KEYS: record, parts
-- ARGV: id, ms of now, most files, second in which it expires or '', part, record (JSON), bytes
-- Returns 1, or 0 where there are as many files as there may be.
if call('ZCARD', 'mlxq:stored-files') >= tonumber(ARGV[3]) then
  return 0
end
call('HSET', KEYS[1], 'record', ARGV[6], 'bytes', ARGV[7])
call('ZADD', 'mlxq:stored-files', ARGV[2], ARGV[1])
if ARGV[4] ~= '' then
  call('ZADD', 'mlxq:expiring-files', ARGV[4], ARGV[1])
end
add_part(KEYS[2], ARGV[5])
return 1
