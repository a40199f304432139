-- Take waiting jobs, those for models in memory before those that need another one, within bounds.
-- KEYS: queue, intermediate list
-- ARGV: most, window, ready models as JSON or '' (any), busy models as JSON, ms (Unix) since when the last of them is
--       loaded, patience in ms, the model asked for, its room ('beside', 'instead', 'soon', 'later' or '')
-- Returns the ids that now lie in the intermediate list; none: nothing may be taken yet; false: nothing waits; a
-- string: the model whose room decides, to be asked for.
-- A suspect, in whose company a worker has died, is taken alone, and only while no model has jobs.
local most, window, any = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == ''
local since, patience, asked, room = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7], ARGV[8]

local ids = redis.call('LRANGE', KEYS[1], 0, window - 1)
if #ids == 0 then
  return false
end

local function set(names)
  local found = {}
  for _, name in ipairs(cjson.decode(names)) do
    found[name] = true
  end
  return found
end

local function job(id)
  local fields = redis.call('HMGET', 'rq:job:' .. id, 'mlxq_model', 'mlxq_kind', 'mlxq_submitted_ms',
    'mlxq_suspect')
  local kind = fields[2]
  return {
    model = fields[1] or '',
    -- Loading and unloading are not overtaken, and what is not ours is taken as it comes.
    orders = not kind or kind == 'load' or kind == 'unload',
    unloads = kind == 'unload',
    foreign = not kind,
    submitted = tonumber(fields[3] or 0),
    suspect = fields[4],
  }
end

local head = job(ids[1])
local ready, busy = any and {} or set(ARGV[3]), set(ARGV[4])
local works, alone = next(busy) ~= nil, { [head.model] = true }

local function take(allowed)
  local taken = {}
  for place, id in ipairs(ids) do
    local each = place == 1 and head or job(id)
    if #taken == most or ((each.orders or each.suspect) and place > 1) then
      break
    end
    if not allowed or allowed[each.model] then
      redis.call('LREM', KEYS[1], 1, id)
      redis.call('RPUSH', KEYS[2], id)
      taken[#taken + 1] = id
    end
    if each.orders or each.suspect then
      break
    end
  end
  return taken
end

if head.suspect and works then
  return {}
end
if any or head.foreign then
  return take(nil)
end
if head.unloads then
  -- It waits here until its model has no jobs: in a lane it would count as running.
  local needed = busy[head.model] or (head.model == '' and works)
  return needed and {} or take(nil)
end
if ready[head.model] then
  return take(ready)
end
if room == '' or asked ~= head.model then
  return head.model
end
if room == 'beside' then
  ready[head.model] = true
  return take(ready)
end
if head.orders or head.suspect then
  return room == 'later' and {} or take(alone)
end
if now() * 1000 - math.max(head.submitted, since) < patience then
  local taken = take(ready)
  if #taken > 0 or room ~= 'instead' then
    return taken
  end
end
return room == 'later' and {} or take(alone)
