-- Take waiting jobs: by their classes, fairly among apps, those for models in memory before those that need another
-- one, within bounds.
-- KEYS: intermediate list
-- ARGV: category, most, window, ready models as JSON or '' (any), busy models as JSON, ms (Unix) since when the last of
--       them is loaded, patience in ms, the model asked for, its room ('beside', 'instead', 'soon', 'later', 'absent'
--       or ''), seconds after which what waits takes turns with what is more urgent, how many interactive jobs may be
--       taken beyond the most, 1 where no job of the background may be taken, the worker or '' (it is not one of
--       several), its places, bytes of its memory that are free, bytes that the model asked for needs
-- Returns the ids that now lie in the intermediate list; none: nothing may be taken yet; false: nothing waits; 0: all
-- that waits is left to other workers; a string: the model whose room decides, to be asked for.
-- A suspect, in whose company a worker has died, is taken alone, and only while no model has jobs.
local category, most, window, any = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == ''
local since, patience, asked, room = tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8], ARGV[9]
local spare = tonumber(ARGV[11])
local time = now() * 1000
-- Jobs of a line that are looked at together, once the first was not enough.
local CHUNK = 16
-- What is no longer needed is forgotten in one of so many milliseconds.
local FORGET = 16
-- Seconds that a job is supposed to run while nothing is known.
local UNKNOWN = '1'

local intake, paused = 'rq:queue:' .. category, {}
if call('EXISTS', intake, 'mlxq:paused') > 0 then
  -- Made here: line_of, enter
  -- What RQ's tools have queued, and what an earlier version of mlxq has left, joins its line.
  paused = call('HMGET', 'mlxq:paused', 'all', category, category .. ':interactive', category .. ':normal',
    category .. ':background')
  for _ = 1, window do
    local id = call('LPOP', intake)
    if not id then
      break
    end
    local _, class, app = line_of(id)
    call('HSET', 'rq:job:' .. id, 'origin', line_name(category, class, app))
    enter(id, category, class, app, call('HGET', 'rq:job:' .. id, 'mlxq_submitted_ms') or time, 'RPUSH')
  end
end

local turns = call('HMGET', turns_key(category), 'usual', 'aged', unpack(CLASSES))
local usual, clock = tonumber(turns[1] or UNKNOWN), {}
local rests = ARGV[12] == '1'
for rank, class in ipairs(CLASSES) do
  clock[class] = tonumber(turns[2 + rank] or '0')
end

local function read_lines(class, first, last)
  return call('ZRANGE', lines_key(category, class), first, last, 'WITHSCORES')
end

-- Draws the jobs of a class in the order in which its apps have their turns, each with its line. `first`: the first one.
local function jobs_of(class, first)
  local lines, more, closed = {}, true, 0
  local function add(found)
    for i = 1, #found, 2 do
      local start = found[i] == FIRST and -math.huge or tonumber(found[i + 1])
      lines[#lines + 1] = { class = class, app = found[i], start = start, next = start, ids = {}, at = 0, before = 0,
        pulled = 0 }
    end
  end
  local function next_of(line)
    line.at = line.at + 1
    if line.at > #line.ids then
      line.before = line.before + #line.ids
      local number = line.before == 0 and 2 or CHUNK
      line.ids, line.at = call('LRANGE', 'rq:queue:' .. line_name(category, class, line.app), line.before,
        line.before + number - 1), 1
      line.whole = #line.ids < number
    end
    return line.ids[line.at]
  end
  local function add_others()
    if more then
      add(read_lines(class, #lines - closed, MOST_APPS))
      more = false
    end
  end
  local drawn = false
  add(first)
  return function()
    if drawn then
      add_others()
    end
    drawn = true
    while true do
      local best
      for _, line in ipairs(lines) do
        if not line.over and (not best or line.next < best.next) then
          best = line
        end
      end
      if not best then
        return nil
      end
      local id = next_of(best)
      if id then
        best.next = best.next + usual
        return id, best
      end
      best.over = true
      if best.before == 0 then
        -- RQ's tools have emptied it.
        close_line(category, class, best.app)
        closed = closed + 1
        add_others()
      end
    end
  end
end

-- Whether a job of this class has waited for so long that the class has its turn before more urgent ones.
local function is_due(class)
  local oldest = call('ZRANGE', waiting_key(category, class), '0', '0', 'WITHSCORES')
  if not oldest[1] or time - tonumber(oldest[2]) <= tonumber(ARGV[10]) * 1000 then
    return false
  end
  if call('EXISTS', 'rq:job:' .. oldest[1]) == 0 then
    -- RQ's tools have deleted it.
    call('ZREM', waiting_key(category, class), oldest[1])
    return false
  end
  return true
end

local sources, due, urgent = {}, nil, false
if not paused[1] and not paused[2] then
  for rank, class in ipairs(CLASSES) do
    local starts = not paused[2 + rank] and not (rests and class == BACKGROUND)
    local first = starts and read_lines(class, '0', '0') or {}
    if first[1] then
      sources[#sources + 1] = { rank = rank, draw = jobs_of(class, first) }
      if urgent and most > 0 and not due and turns[2] ~= '1' and is_due(class) then
        due = sources[#sources]
      end
      urgent = true
    end
  end
end

-- The next job in order, its line and its rank, and whether it is one whose class has its turn.
local function draw()
  if due then
    local source = due
    due = nil
    local id, line = source.draw()
    if id then
      return id, line, 1, true
    end
  end
  while sources[1] do
    local id, line = sources[1].draw()
    if id then
      return id, line, sources[1].rank, false
    end
    table.remove(sources, 1)
  end
end

local function set(names)
  local found = {}
  for _, name in ipairs(cjson.decode(names)) do
    found[name] = true
  end
  return found
end

local ready, busy = any and {} or set(ARGV[4]), set(ARGV[5])

-- This worker and the others; nil: it is not one of several.
local machines, me, own, others = 'mlxq:machines:' .. category, nil, nil, {}
if ARGV[13] ~= '' and not any then
  -- Made here: machines_of
  own, others = machines_of(machines, ARGV[13], time)
  local places = tonumber(ARGV[14])
  me = { name = ARGV[13], places = places, running = math.max(0, places - most), chosen = 0, ready = ready,
    bytes = tonumber(ARGV[15]), patience = patience, time = time, adopted = own and own.adopted or 0,
    background = not rests, elsewhere = {} }
end
local several, elsewhere = others[1] ~= nil, nil
local FIELDS = { 'mlxq_model', 'mlxq_kind', 'mlxq_submitted_ms', 'mlxq_suspect', 'mlxq_share' }
if several then
  -- Made here: leaves, takes_over, has_room_elsewhere
  elsewhere = { leaves = leaves, takes_over = takes_over, has_room_elsewhere = has_room_elsewhere }
  FIELDS[6], FIELDS[7] = 'mlxq_prefix', 'mlxq_worker'
end

-- The jobs that this worker may take, and those that it leaves to others.
local seen, left = {}, {}

-- The job in this place of the order; nil: there is none, or it is too far away.
local function job(place)
  while #seen < place and #seen + #left < window do
    local id, line, rank, aged = draw()
    if not id then
      return nil
    end
    local fields = call('HMGET', 'rq:job:' .. id, unpack(FIELDS))
    local kind = fields[2]
    local each = {
      id = id,
      line = line,
      -- Its place in the line, from 1; 0: unknown.
      place = line.before + line.at,
      rank = rank,
      aged = aged,
      model = fields[1] or '',
      -- Loading and unloading are not overtaken, and what is not ours is taken as it comes.
      orders = not kind or kind == 'load' or kind == 'unload',
      loads = kind == 'load',
      unloads = kind == 'unload',
      foreign = not kind,
      submitted = tonumber(fields[3] or 0),
      suspect = fields[4],
      share = fields[5] or NOBODY,
      prefix = fields[6],
      worker = fields[7],
    }
    local other = several and elsewhere.leaves(me, others, each) and left or seen
    other[#other + 1] = each
  end
  return seen[place]
end

-- Move a job to the intermediate list, and charge its app with what it is supposed to run.
local function pull(each)
  local line = each.line
  local class, key = line.class, 'rq:job:' .. each.id
  local lines, shares = lines_key(category, class), shares_key(category, class)
  local name = 'rq:queue:' .. line_name(category, class, line.app)
  if each.place == line.pulled + 1 then
    call('LMOVE', name, KEYS[1], 'LEFT', 'RIGHT')
  else
    call('LREM', name, 1, each.id)
    call('RPUSH', KEYS[1], each.id)
  end
  call('ZREM', waiting_key(category, class), each.id)
  local start = line.start
  if line.app == FIRST then
    start = tonumber(call('ZSCORE', lines, each.share) or call('ZSCORE', shares, each.share) or '0')
    start = math.max(start, clock[class])
    call('ZADD', lines, 'XX', start + usual, each.share)
    call('HDEL', key, 'mlxq_first')
  end
  clock[class] = math.max(clock[class], start)
  line.start = line.app == FIRST and line.start or start + usual
  line.pulled = line.pulled + 1
  if line.pulled == line.before + #line.ids and (line.whole or call('EXISTS', name) == 0) then
    close_line(category, class, line.app)
  elseif line.app ~= FIRST then
    call('ZADD', lines, line.start, line.app)
  end
  call('ZADD', shares, start + usual, each.share)
  -- Who has had no more than the clock shows starts at the clock. There is time to forget it.
  if math.floor(time) % FORGET == 0 then
    call('ZREMRANGEBYSCORE', shares, '-inf', clock[class])
  end
  if not each.foreign then
    call('HSET', key, 'mlxq_charged', usual)
  end
  if each.prefix then
    call('SET', 'mlxq:prefix:' .. each.prefix, me.name, 'EX', REMEMBERED)
    me.adopted = each.home and math.floor(time) or me.adopted
  end
  call('HSET', turns_key(category), class, clock[class], 'aged', each.aged and '1' or '0')
end

local works = next(busy) ~= nil

local function take(allowed)
  -- What waits is not overtaken by what is less urgent.
  local chosen, taken, least, place = {}, {}, #CLASSES, 1
  while #chosen < most + spare do
    local each = job(place)
    if not each or each.rank > least or ((each.orders or each.suspect) and place > 1) then
      break
    end
    if #chosen >= most and (each.line.class ~= INTERACTIVE or each.suspect) then
      break
    end
    if not allowed or allowed[each.model] then
      chosen[#chosen + 1] = each
      if me then
        me.chosen = #chosen
      end
    else
      least = math.min(least, each.rank)
    end
    if each.orders or each.suspect then
      break
    end
    place = place + 1
  end
  for place, each in ipairs(chosen) do
    pull(each)
    taken[place] = each.id
  end
  return taken
end

-- What `choose` returns, but for what others leave.
local function decide(head)
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
  if room == 'absent' and several and not head.orders and time - head.submitted < ABSENT then
    return take(ready)
  end
  if room == 'beside' or room == 'absent' then
    ready[head.model] = true
    return take(ready)
  end
  local alone = { [head.model] = true }
  if head.orders or head.suspect then
    return room == 'later' and {} or take(alone)
  end
  if several and elsewhere.has_room_elsewhere(me, others, head, tonumber(ARGV[16])) then
    return take(ready)
  end
  if time - math.max(head.submitted, since) < patience then
    local taken = take(ready)
    if #taken > 0 or room ~= 'instead' then
      return taken
    end
  end
  return room == 'later' and {} or take(alone)
end

-- Take what was left to workers that are full, where nothing that is as urgent waits here.
local function take_over(taken, head)
  local least = #taken == 0 and head and head.rank or #CLASSES
  for _, each in ipairs(left) do
    if #taken >= most or each.rank > least then
      break
    end
    me.chosen = #taken
    if not each.suspect and elsewhere.takes_over(me, each) then
      -- Others were taken from behind it: it may be anywhere in its line.
      each.place = 0
      pull(each)
      taken[#taken + 1] = each.id
    end
  end
end

local head = job(1)
local answer = head and decide(head) or not head and left[1] and {}
if not answer then
  call('DEL', 'mlxq:bell:' .. category)
elseif several and type(answer) == 'table' then
  take_over(answer, head)
end
if me and type(answer) ~= 'string' then
  -- Made here: leave_row
  leave_row(machines, me, own, others, answer and #answer or 0)
end
if not head and answer and #answer == 0 then
  return 0
end
return answer
