-- Which of several workers takes a job; for choose.lua.
-- With each look at a queue a worker leaves a row, so that others know what it has and whether it has time:
-- [ms of the look, jobs that run, free places, ms since which it has some, bytes of free memory, ms in which it last
-- took over a chat, whether it takes jobs of the background, {model in memory: true}]. It is as old as the last look:
-- one with free places looks at least once a second, and is not counted on when it does not. A full one does not look.

-- Milliseconds: for which one with free places is counted on after a look; after which the only one writes its row
-- anew; after which a row is forgotten when its worker is gone.
local FRESH, AGAIN, FORGOTTEN = 6000, 1000, 60000
-- Milliseconds that a job waits for a worker that has less to do; for one that has its model or has read its beginning,
-- while that is full; and for one that may have got its model a moment ago and has yet to say so.
local BALANCE, FULL, ABSENT = 100, 2000, 10000
-- By how much busier its own worker is than another one that takes a chat over at once, as shares of their places.
local MUCH = 0.5
-- Seconds for which it is known which worker has read the beginning of a chat.
local REMEMBERED = '3600'

local function read_row(name, text)
  local known, row = pcall(cjson.decode, text)
  if not known or type(row) ~= 'table' or #row ~= 8 then
    return nil
  end
  return { name = name, at = row[1], running = row[2], free = row[3], since = row[4], bytes = row[5], adopted = row[6],
    background = row[7], models = row[8] }
end

-- The row of this worker, if it has left one, and those of the others.
local function machines_of(key, name, time)
  local rows, own, others = call('HGETALL', key), nil, {}
  for i = 1, #rows, 2 do
    local row = read_row(rows[i], rows[i + 1])
    if rows[i] == name then
      own = row
    elseif row and (time - row.at < FORGOTTEN or call('EXISTS', 'mlxq:worker:' .. rows[i]) == 1) then
      others[#others + 1] = row
    else
      call('HDEL', key, rows[i])
    end
  end
  return own, others
end

local function have_same(one, two)
  for name in pairs(one) do
    if not two[name] then
      return false
    end
  end
  for name in pairs(two) do
    if not one[name] then
      return false
    end
  end
  return true
end

-- Leave the row of this worker, `me`, with so many jobs that it has just taken. The only one does so once a second.
local function leave_row(key, me, own, others, taken)
  if own and not others[1] and me.time - own.at < AGAIN and have_same(own.models, me.ready) then
    return
  end
  local free = math.max(0, me.places - me.running - taken)
  local since = free > 0 and (own and own.free > 0 and own.since or math.floor(me.time)) or 0
  call('HSET', key, me.name, cjson.encode({ math.floor(me.time), me.running + taken, free, since, me.bytes, me.adopted,
    me.background, me.ready }))
  call('EXPIRE', key, '600')
end

local function is_there(name)
  return call('EXISTS', 'mlxq:worker:' .. name) == 1
end

local function fresh(me, other)
  return me.time - other.at < FRESH
end

local function fits(other, each)
  return other.background or each.line.class ~= BACKGROUND
end

-- Whether another worker would take this job with its next look, as far as its places and hours are concerned.
local function has_time(me, other, each)
  return other.free > 0 and fresh(me, other) and fits(other, each)
end

-- Whether a worker has a model on its disk. An adapter is not listed: its model is.
local function on_disk(name, model)
  local key = 'mlxq:inventory:' .. name
  if call('HEXISTS', key, model) == 1 then
    return true
  end
  local base = string.match(model, '^(.-)%+')
  return base ~= nil and call('HEXISTS', key, base) == 1
end

local function runs_elsewhere(me, others, model)
  if me.ready[model] or on_disk(me.name, model) then
    return false
  end
  for _, other in ipairs(others) do
    if (other.models[model] or on_disk(other.name, model)) and is_there(other.name) then
      return true
    end
  end
  return false
end

-- Whether only other workers can run jobs for this model. Of a model it is found out once in a look.
local function only_elsewhere(me, others, model)
  if me.elsewhere[model] == nil then
    me.elsewhere[model] = runs_elsewhere(me, others, model)
  end
  return me.elsewhere[model]
end

-- Whether another worker has the model of this job in memory, and time for it.
local function is_ready_elsewhere(me, others, each)
  for _, other in ipairs(others) do
    if other.models[each.model] and has_time(me, other, each)
      and me.time - math.max(each.submitted, other.since) < me.patience then
      return true
    end
  end
  return false
end

-- The other worker where a chat was before and can go on; nil: there is none.
local function home_of(others, name, each, me)
  for _, other in ipairs(others) do
    if other.name == name then
      local there = other.models[each.model] and fits(other, each)
      local answers = fresh(me, other) or (other.free == 0 and is_there(name))
      return there and answers and other or nil
    end
  end
end

-- Whether this worker leaves a job to another one. `me`: its name, places, running and chosen jobs, models (`ready`),
-- free bytes, patience (ms), the time now, when it last took over a chat, and which models are only elsewhere.
local function leaves(me, others, each)
  if each.worker then
    return each.worker ~= me.name and is_there(each.worker)
  end
  if each.unloads or each.foreign then
    return false
  end
  if each.loads then
    return only_elsewhere(me, others, each.model)
  end
  if not me.ready[each.model] then
    return is_ready_elsewhere(me, others, each) or only_elsewhere(me, others, each.model)
  end
  if each.suspect then
    -- Whoever has no jobs first takes it.
    return false
  end
  local before = each.prefix and call('GET', 'mlxq:prefix:' .. each.prefix)
  if before == me.name then
    return false
  end
  each.home = before and home_of(others, before, each, me) or nil
  if each.home then
    return me.time - math.max(each.submitted, me.adopted) < me.patience
  end
  if me.time - each.submitted < BALANCE then
    local load = (me.running + me.chosen + 1) / me.places
    for _, other in ipairs(others) do
      if other.models[each.model] and has_time(me, other, each)
        and (other.running + 1) / (other.running + other.free) < load then
        return true
      end
    end
  end
  return false
end

-- Whether a chat that was left to its own worker goes on here after all: that one is full.
local function takes_over(me, each)
  local home = each.home
  return home ~= nil and home.free == 0 and me.ready[each.model] ~= nil
    and (me.time - each.submitted >= FULL or 1 - (me.running + me.chosen) / me.places >= MUCH)
end

-- Whether a job for a model that this worker could load only in the place of another one waits for other workers: one
-- that has room beside what it has, or one that is full and has the model.
local function has_room_elsewhere(me, others, each, needed)
  for _, other in ipairs(others) do
    local waited = me.time - math.max(each.submitted, other.since)
    if other.models[each.model] and other.free == 0 and is_there(other.name) and waited < FULL then
      return true
    end
    if has_time(me, other, each) and other.bytes >= needed and waited < me.patience
      and on_disk(other.name, each.model) then
      return true
    end
  end
  return false
end
