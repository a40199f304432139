-- Redis' memory, and the ended jobs that go when it is short; for the scripts that look at it (scripts.py).

-- Jobs that are deleted in one go at most, and those of each registry that are looked at together.
local MOST_EVICTED, LOOKED_AT = 256, 16
-- Seconds after its end for which a job is left alone: whoever waits for it may still have to read its events.
local JUST_ENDED = 10
-- Where deleting stops, as a share of the mark where it begins.
local RELIEF = 0.95
-- Seconds for which Redis' memory counts as short after the last time that it was.
local SHORT_FOR = 60

-- The number behind these words, or 0.
local function number_in(text, words)
  local _, last = string.find(text, words, 1, true)
  return last and tonumber(string.match(text, '^%d+', last + 1)) or 0
end

-- Whether more than this share of Redis' memory is in use. False where Redis has no bound, or does not tell.
local function memory_above(share)
  local memory = redis.pcall('INFO', 'memory')
  if type(memory) ~= 'string' then
    return false
  end
  local maximum = number_in(memory, 'maxmemory:')
  if maximum == 0 then
    return false
  end
  return number_in(memory, 'used_memory:') - number_in(memory, 'mem_not_counted_for_evict:') > maximum * share
end

-- Forget an ended job: its keys, its place in lists, and the files that it made.
local function evict(id, registry)
  local key = 'rq:job:' .. id
  local job = redis.call('HMGET', key, 'mlxq_outputs', 'mlxq_same', 'mlxq_idempotency')
  throw_away(job[1])
  for _, file in ipairs(redis.call('HVALS', files_key(id))) do
    throw_away(string.match(file, '^%S+'))
  end
  if job[2] then
    redis.call('LREM', job[2], 0, id)
  end
  if job[3] and redis.call('HGET', job[3], 'id') == id then
    redis.call('DEL', job[3])
  end
  redis.call('DEL', key, 'rq:results:' .. id, events_key(id), files_key(id), 'rq:executions:' .. id)
  redis.call('ZREM', registry, id)
  redis.call('ZREM', 'mlxq:expired:' .. string.match(registry, '[^:]+$'), id)
  redis.call('ZREM', 'mlxq:jobs', id)
end

-- The ended jobs that ended first, as { id, registry, score }.
local function oldest_ended(ttl)
  local found, latest = {}, now() + ttl - JUST_ENDED
  for _, queue in ipairs(redis.call('SMEMBERS', 'rq:queues')) do
    local name = string.sub(queue, #'rq:queue:' + 1)
    for _, kind in ipairs({ 'finished', 'failed', 'canceled' }) do
      local registry = 'rq:' .. kind .. ':' .. name
      local rows = redis.call('ZRANGEBYSCORE', registry, '-inf', latest, 'WITHSCORES', 'LIMIT', 0, LOOKED_AT)
      for i = 1, #rows, 2 do
        found[#found + 1] = { id = rows[i], registry = registry, score = tonumber(rows[i + 1]) }
      end
    end
  end
  table.sort(found, function(a, b)
    return a.score < b.score or (a.score == b.score and a.id < b.id)
  end)
  return found
end

-- Where more than `share` of the memory is in use, delete ended jobs, the oldest first. `ttl` is what they live.
-- Returns whether memory is still short, and how many were deleted.
local function make_room(share, ttl)
  if not memory_above(share) then
    return false, 0
  end
  -- Made here: evict, oldest_ended
  local deleted, oldest, place = 0, {}, 1
  while deleted < MOST_EVICTED and memory_above(share * RELIEF) do
    -- Beyond the first ones another registry may hold older jobs.
    if place > math.min(#oldest, LOOKED_AT) then
      oldest, place = oldest_ended(ttl), 1
      if #oldest == 0 then
        break
      end
    end
    evict(oldest[place].id, oldest[place].registry)
    deleted, place = deleted + 1, place + 1
  end
  redis.pcall('SET', 'mlxq:memory-short', '1', 'EX', SHORT_FOR)
  return memory_above(share), deleted
end
