-- Take waiting jobs, those for the loaded model before those that need another one, within bounds.
-- KEYS: queue, intermediate list
-- ARGV: most, loaded model or '', ms (Unix) since when it is loaded, patience in ms, whether it works (0|1), window
-- Returns the ids that now lie in the intermediate list; none: nothing may be taken yet; false: nothing waits.
-- A job that needs another model is not taken while the lane works: when its patience is over, nothing is.
-- A suspect, in whose company a worker has died, is taken alone, and only while the lane does not work.
local most, loaded, since = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local patience, works, window = tonumber(ARGV[4]), ARGV[5] == '1', tonumber(ARGV[6])

local ids = redis.call('LRANGE', KEYS[1], 0, window - 1)
if #ids == 0 then
  return false
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

local function take(model, first)
  local taken = {}
  for place = first, #ids do
    local each = job(ids[place])
    if #taken == most or ((each.orders or each.suspect) and place > first) then
      break
    end
    if each.model == model then
      redis.call('LREM', KEYS[1], 1, ids[place])
      redis.call('RPUSH', KEYS[2], ids[place])
      taken[#taken + 1] = ids[place]
    end
    if each.orders or each.suspect then
      break
    end
  end
  return taken
end

local head = job(ids[1])
if head.suspect and works then
  return {}
end
if head.foreign or head.suspect then
  return take(head.model, 1)
end
-- What needs the slot for itself waits here until the lane has nothing in hand: there it would count as running.
local switches = head.unloads or head.model ~= loaded
if works and switches and head.orders then
  return {}
end
if head.orders or not switches or loaded == '' then
  return take(head.model, 1)
end
if now() * 1000 - math.max(head.submitted, since) < patience then
  local taken = take(loaded, 1)
  if #taken > 0 or works then
    return taken
  end
end
return works and {} or take(head.model, 1)
