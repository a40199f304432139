-- Take the right to drive a batch, or keep it.
-- KEYS: batch
-- ARGV: token of the driver, seconds
-- Returns the batch's status, 'held' by another driver, or '' where there is nothing to drive.
local batch = call('HMGET', KEYS[1], 'status', 'driver', 'driver_until')
if not batch[1] or ENDED[batch[1]] then
  return ''
end
if batch[2] and batch[2] ~= ARGV[1] and tonumber(batch[3]) > now() then
  return 'held'
end
call('HSET', KEYS[1], 'driver', ARGV[1], 'driver_until', string.format('%.3f', now() + tonumber(ARGV[2])))
return batch[1]
