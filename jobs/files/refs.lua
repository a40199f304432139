-- Blobs of stored files and of batches, and how many of them need each; for the scripts that change that.
-- A blob that nobody needs any more is deleted by a worker.

local call = redis.call
local STORED = 'mlxq:stored-blobs'
local GARBAGE = 'mlxq:garbage'

local function hold(blob)
  call('HINCRBY', STORED, blob, 1)
end

local function let_go(blob)
  if call('HINCRBY', STORED, blob, -1) <= 0 then
    call('HDEL', STORED, blob)
    call('RPUSH', GARBAGE, blob)
  end
end

-- Append a part ("blob size") to a file.
local function add_part(parts, part)
  call('RPUSH', parts, part)
  hold(string.match(part, '^%S+'))
end

-- Forget a file and its parts.
local function drop_file(record, parts, id)
  for _, part in ipairs(call('LRANGE', parts, 0, -1)) do
    let_go(string.match(part, '^%S+'))
  end
  call('ZREM', 'mlxq:stored-files', id)
  call('ZREM', 'mlxq:expiring-files', id)
  return call('DEL', record, parts)
end
