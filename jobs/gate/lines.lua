-- How jobs wait, and whose turn it is; for the scripts that change that (scripts.py).
-- Each app has a line in each class of a category: an RQ queue `category:class:app`. The line `~first` holds what goes
-- before all others of its class. Within a class apps share by the time that their jobs run, as in start-time fair
-- queueing (Goyal, Vin and Cheng 1996): a line's score is the virtual second in which its next job starts, and a
-- class's clock is at the start of the last job that was taken.

local CLASSES = { 'interactive', 'normal', 'background' }
local INTERACTIVE, NORMAL, BACKGROUND = 'interactive', 'normal', 'background'
local FIRST = '~first'
-- The app of jobs without one.
local NOBODY = '-'
-- Apps that are looked at for a place or for the next job.
local MOST_APPS = '64'

local function line_name(category, class, app)
  return category .. ':' .. class .. ':' .. app
end

-- RQ's tools find a job by its origin: that is its line while it waits there, else its category.
local function category_of(origin)
  return string.match(origin or '', '^[^:]*')
end

-- The lines of a class that have jobs, by the virtual second in which their next one starts.
local function lines_key(category, class)
  return 'mlxq:lines:' .. category .. ':' .. class
end

-- The virtual second up to which each app has had its share.
local function shares_key(category, class)
  return 'mlxq:shares:' .. category .. ':' .. class
end

-- All jobs in the lines of a class, by the millisecond since which they wait.
local function waiting_key(category, class)
  return 'mlxq:waiting:' .. category .. ':' .. class
end

-- The clock of each class, whether the last job was taken because it had waited for long, and how long jobs usually run.
local function turns_key(category)
  return 'mlxq:turns:' .. category
end

-- There while jobs may wait that can be taken: those who take jobs block on it. Returns whether it was there.
local function ring(category)
  local bell = 'mlxq:bell:' .. category
  if call('EXISTS', bell) == 0 then
    call('RPUSH', bell, '1')
    return false
  end
  return true
end

-- Where a job waits: its category, class and line.
local function line_of(id)
  local job = call('HMGET', 'rq:job:' .. id, 'origin', 'mlxq_class', 'mlxq_share', 'mlxq_first')
  return category_of(job[1]), job[2] or NORMAL, job[4] and FIRST or job[3] or NOBODY
end

local function open_line(category, class, app)
  local start = '-inf'
  if app ~= FIRST then
    local clock = call('HGET', turns_key(category), class)
    local share = call('ZSCORE', shares_key(category, class), app)
    start = math.max(tonumber(clock or '0'), tonumber(share or '0'))
  end
  call('ZADD', lines_key(category, class), start, app)
  -- RQ's tools find what runs and has ended by the queue of the category.
  call('SADD', 'rq:queues', 'rq:queue:' .. line_name(category, class, app), 'rq:queue:' .. category)
end

local function close_line(category, class, app)
  call('ZREM', lines_key(category, class), app)
  call('SREM', 'rq:queues', 'rq:queue:' .. line_name(category, class, app))
end

-- Let a job wait at the end of a line ('RPUSH') or at its front ('LPUSH'): its origin. Returns the length of the line.
local function enter(id, category, class, app, since, side)
  local length = call(side, 'rq:queue:' .. line_name(category, class, app), id)
  call('ZADD', waiting_key(category, class), since, id)
  if length == 1 then
    open_line(category, class, app)
  end
  if ring(category) and class == INTERACTIVE then
    -- Others wait, but may not be taken now: this one may.
    call('PUBLISH', COMMANDS, 'came ' .. category)
  end
  return length
end

-- Take a job out of its line. Returns whether it was there.
local function leave(id, category, class, app)
  local line = 'rq:queue:' .. line_name(category, class, app)
  local there = call('LREM', line, 1, id) == 1
  call('ZREM', waiting_key(category, class), id)
  if call('EXISTS', line) == 0 then
    close_line(category, class, app)
  end
  return there
end

-- Let a job go before all others of its class.
local function enter_first(id, category, class, since)
  local key = 'rq:job:' .. id
  call('HSET', key, 'mlxq_first', '1', 'origin', line_name(category, class, FIRST))
  since = since or call('HGET', key, 'mlxq_submitted_ms') or now() * 1000
  enter(id, category, class, FIRST, since, 'LPUSH')
end

-- Jobs in the lines of each class of a category.
local function in_lines(category)
  local numbers = {}
  for _, class in ipairs(CLASSES) do
    numbers[class] = call('ZCARD', waiting_key(category, class))
  end
  return numbers
end

-- The place of the `index`-th job of a line: 1 is next. `numbers` are those of `in_lines`, the job included. It supposes
-- that all jobs run equally long.
local function place_of(category, class, app, index, numbers)
  local place = index
  for _, other in ipairs(CLASSES) do
    if other == class then
      break
    end
    place = place + numbers[other]
  end
  if numbers[class] == index then
    -- All jobs of the class are in its line.
    return place
  end
  local earlier = true
  for _, other in ipairs(call('ZRANGE', lines_key(category, class), '0', MOST_APPS)) do
    if other == app then
      earlier = false
    else
      -- A line that is there has a job: a second one is looked for only where it counts.
      local most = other == FIRST and math.huge or app == FIRST and 0 or earlier and index or index - 1
      if most > 1 then
        most = math.min(most, call('LLEN', 'rq:queue:' .. line_name(category, class, other)))
      end
      place = place + most
    end
  end
  return place
end

-- Charge an app with more seconds, or with fewer.
local function charge(category, class, share, seconds)
  call('ZADD', lines_key(category, class), 'XX', 'INCR', seconds, share)
  if not call('ZADD', shares_key(category, class), 'XX', 'INCR', seconds, share) and seconds > 0 then
    local clock = tonumber(call('HGET', turns_key(category), class) or '0')
    call('ZADD', shares_key(category, class), clock + seconds, share)
  end
end

-- Charge an app with the seconds that its job ran, in the place of those that were supposed when it was taken.
local function settle(category, class, share, charged, seconds)
  if charged then
    charge(category, class or NORMAL, share or NOBODY, seconds - tonumber(charged))
  end
end
