-- Cancel a batch: its driver ends it.
-- KEYS: batch
-- Returns the status that it has now; '' where there is none.
local status = call('HGET', KEYS[1], 'status')
if status == 'validating' or status == 'in_progress' then
  become(KEYS[1], 'cancelling')
  return 'cancelling'
end
return status or ''
