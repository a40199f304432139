-- Give up the right to drive a batch.
-- KEYS: batch
-- ARGV: token of the driver
if call('HGET', KEYS[1], 'driver') == ARGV[1] then
  call('HDEL', KEYS[1], 'driver', 'driver_until')
end
return 1
