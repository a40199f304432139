-- End a batch.
-- KEYS: batch, its begun requests
-- ARGV: token of the driver, id, status, blob of its input, its webhook (JSON) or '', owner, now (ISO)
-- Returns whether the driver still had it.
if call('HGET', KEYS[1], 'driver') ~= ARGV[1] then
  return 0
end
become(KEYS[1], ARGV[3])
call('HDEL', KEYS[1], 'driver', 'driver_until')
call('DEL', KEYS[2])
call('ZREM', 'mlxq:open-batches', ARGV[2])
call('ZADD', 'mlxq:ended-batches', math.floor(now()), ARGV[2])
let_go(ARGV[4])
if ARGV[5] ~= '' then
  announce(ARGV[5], ARGV[3], ARGV[2], '{"id":' .. cjson.encode(ARGV[2]) .. '}', ARGV[6], ARGV[7])
end
return 1
