-- Write how a batch goes on: requests that are begun, outcomes of others, what was added to its files.
-- KEYS: batch, its begun requests
-- ARGV: token of the driver, what to write (JSON of jobs/batches/store.py)
-- Returns the batch's status, or '' where another driver has it: then nothing is written.
local batch = call('HMGET', KEYS[1], 'driver', 'status')
if batch[1] ~= ARGV[1] then
  return ''
end
local commit = cjson.decode(ARGV[2])
for number, begun in pairs(commit.begun) do
  call('HSET', KEYS[2], number, begun)
end
for _, number in ipairs(commit.ended) do
  call('HDEL', KEYS[2], number)
end
call('HSET', KEYS[1], 'offset', commit.offset, 'number', commit.number)
for name, count in pairs(commit.sums) do
  call('HINCRBY', KEYS[1], name, count)
end

for _, file in ipairs(commit.files) do
  local record, parts = 'mlxq:file:' .. file.id, 'mlxq:file-parts:' .. file.id
  if file.record ~= '' then
    call('HSET', KEYS[1], 'file:' .. file.name, file.id)
    call('HSET', record, 'record', file.record)
    if file.listed then
      call('ZADD', 'mlxq:stored-files', file.created_ms, file.id)
    end
    if file.expires_at > 0 then
      call('ZADD', 'mlxq:expiring-files', file.expires_at, file.id)
    end
  end
  if file.replaces then
    local last = call('LINDEX', parts, -1)
    call('LTRIM', parts, 0, -2)
    let_go(string.match(last, '^%S+'))
  end
  add_part(parts, file.part)
  call('HINCRBY', record, 'bytes', file.added)
end

-- The answers are in the files: Redis does not keep them twice.
for _, job in ipairs(commit.jobs) do
  local id = job[1]
  call('DEL', 'rq:job:' .. id, 'rq:results:' .. id, 'rq:executions:' .. id, 'mlxq:events:' .. id,
    'mlxq:files:' .. id, 'mlxq:watchers:' .. id, 'mlxq:idempotency:' .. job[3])
  for _, registry in ipairs({ 'finished', 'failed', 'canceled' }) do
    call('ZREM', 'rq:' .. registry .. ':' .. job[2], id)
  end
  call('ZREM', 'mlxq:jobs', id)
end
return batch[2]
