-- Bring a batch from one status to the next, unless it was cancelled meanwhile.
-- KEYS: batch
-- ARGV: token of the driver, from, to, then field, value, ... of its record
-- Returns the status that it has now, or '' where another driver has it.
local batch = call('HMGET', KEYS[1], 'driver', 'status')
if batch[1] ~= ARGV[1] then
  return ''
end
if #ARGV > 3 then
  call('HSET', KEYS[1], unpack(ARGV, 4))
end
if batch[2] ~= ARGV[2] then
  return batch[2]
end
become(KEYS[1], ARGV[3])
return ARGV[3]
