-- What waits and runs, the lists of waiting jobs only where they have changed. It only reads.
-- ARGV: the millisecond from which new jobs are looked for, jobs of a list, new jobs, running jobs of a queue, the
--       fields of a row and the marks of running jobs that are known (both in JSON), 1 for the states of workers, then
--       a category and the digest of its lists that is known, ...
-- Returns { now in seconds, { new jobs and their milliseconds }, { what is paused }, categories, { id, row, ... },
-- { a worker's state, ... } }.
-- Rows are those of new jobs, of running ones whose mark is another one, and of known ones that do not run any more.
-- Each category is { digest, lists or '', running }; lists are { usual seconds of a job, queued by RQ's tools, taken,
-- held, deferred, { interactive lines }, { normal lines }, { background lines } }, those that are held and deferred with
-- a space and the class behind each id, a line { app, its virtual second, jobs }; running jobs are { id, mark, progress
-- or '', number of the newest file or '' }.
-- Jobs that wait for a download are among these where its progress is known.
local call = redis.call
local CLASSES = { 'interactive', 'normal', 'background' }
-- Apps of a class, as for a place (jobs/gate/lines.lua).
local MOST_APPS = 64
local since, most, most_new, most_running = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local fields, known_marks = cjson.decode(ARGV[5]), cjson.decode(ARGV[6])

local rows, has_row = {}, {}
local function add_row(id)
  if not has_row[id] then
    has_row[id] = true
    rows[#rows + 1] = id
    rows[#rows + 1] = call('HMGET', 'rq:job:' .. id, unpack(fields))
  end
end

local function add_execution(found, id, mark, progress, newest_file)
  found[#found + 1] = { id, mark, progress, newest_file }
  if known_marks[id] ~= mark then
    add_row(id)
  end
  known_marks[id] = nil
end

local function lines_of(category, class, read)
  local found = {}
  local lines = call('ZRANGE', 'mlxq:lines:' .. category .. ':' .. class, 0, MOST_APPS - 1, 'WITHSCORES')
  -- Apps take turns: none has many more of the next ones than the others.
  local share = math.max(16, math.floor(4 * most / math.max(1, #lines)))
  for i = 1, #lines, 2 do
    local ids = call('LRANGE', 'rq:queue:' .. category .. ':' .. class .. ':' .. lines[i], 0, math.min(most, share) - 1)
    found[#found + 1] = { lines[i], lines[i + 1], ids }
    read[#read + 1] = lines[i] .. ' ' .. lines[i + 1] .. ' ' .. table.concat(ids, ' ')
  end
  read[#read + 1] = '/'
  return found
end

local function newest(key)
  local last = -1
  for _, number in ipairs(call('HKEYS', key)) do
    last = math.max(last, tonumber(number))
  end
  return last < 0 and '' or last
end

local function add_running(category, found)
  for _, name in ipairs(call('ZRANGE', 'rq:wip:' .. category, 0, most_running - 1)) do
    local id = string.match(name, '^[^:]*')
    local job = call('HMGET', 'rq:job:' .. id, 'mlxq_progress', 'status', 'mlxq_attempts', 'mlxq_loading',
      'mlxq_cancel', 'mlxq_lingers_until', 'mlxq_ran_ms')
    if job[2] then
      local marks = {}
      for i = 2, 7 do
        marks[#marks + 1] = job[i] or ''
      end
      add_execution(found, id, table.concat(marks, ' '), job[1] or '', newest('mlxq:files:' .. id))
    end
  end
end

local function deferred_of(category, running)
  local held, deferred = {}, {}
  for _, id in ipairs(call('ZRANGE', 'rq:deferred:' .. category, 0, most - 1)) do
    local job = call('HMGET', 'rq:job:' .. id, 'mlxq_held', 'mlxq_progress', 'mlxq_class')
    local list = job[1] and held or deferred
    list[#list + 1] = id .. ' ' .. (job[3] or '')
    if job[2] and #running < most_running then
      add_execution(running, id, 'deferred', job[2], '')
    end
  end
  return held, deferred
end

local categories = {}
for i = 8, #ARGV, 2 do
  local category, known = ARGV[i], ARGV[i + 1]
  local running, read = {}, {}
  add_running(category, running)
  local held, deferred = deferred_of(category, running)
  local lists = { call('HGET', 'mlxq:turns:' .. category, 'usual') or '1' }
  for _, ids in ipairs({ call('LRANGE', 'rq:queue:' .. category, 0, most - 1),
    call('LRANGE', 'rq:queue:' .. category .. ':intermediate', 0, most - 1), held, deferred }) do
    lists[#lists + 1] = ids
    read[#read + 1] = table.concat(ids, ' ')
  end
  for _, class in ipairs(CLASSES) do
    lists[#lists + 1] = lines_of(category, class, read)
  end
  local digest = redis.sha1hex(table.concat(read, '|'))
  categories[#categories + 1] = { digest, digest ~= known and lists or '', running }
end

for id in pairs(known_marks) do
  add_row(id)
end
local new = call('ZRANGEBYSCORE', 'mlxq:jobs', since, '+inf', 'WITHSCORES', 'LIMIT', 0, most_new)
for i = 1, #new, 2 do
  add_row(new[i])
end
local workers = {}
if ARGV[7] == '1' then
  for _, name in ipairs(call('SMEMBERS', 'mlxq:workers')) do
    workers[#workers + 1] = call('GET', 'mlxq:worker:' .. name) or nil
  end
end
local time = call('TIME')
return { time[1] .. '.' .. string.format('%06d', time[2]), new, call('HKEYS', 'mlxq:paused'), categories, rows,
  workers }
