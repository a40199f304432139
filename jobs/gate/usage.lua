-- What jobs have used, by day, kind, key, app and model (jobs/usage.py); for the scripts that end jobs (scripts.py).
-- A day is a hash; a row of it is a field with its figures as numbers in this order, with spaces between.

local COMPLETED, FAILED, CANCELLED, EXPIRED, DEVICE = 1, 2, 3, 4, 5
local OUTCOMES = { completed = COMPLETED, failed = FAILED, cancelled = CANCELLED, expired = EXPIRED }
-- Of a result, by their names in what is counted of it.
local FIGURES = { prompt_tokens = 6, cached_tokens = 7, completion_tokens = 8, images = 9, audio_milliseconds = 10,
  characters = 11 }
local NUMBER_OF_FIGURES = 11
-- Rows of a day with an app and a model, and bytes of their names. What is beyond counts without either.
local MOST_ROWS, LONGEST_ROW = 256, 384
-- Characters of a key's hash, and seconds that a day is kept.
local KEY_HASH, KEPT = 8, 367 * 86400
local BETWEEN = '\31'

-- Add an ended job. `app`, `owner` and `model` are those of its hash or false, `made` is what is counted of its result.
local function add_usage(kind, owner, app, model, outcome, milliseconds, made, time)
  local offset = tonumber(call('GET', 'mlxq:usage-offset') or '0')
  local day = 'mlxq:usage:' .. string.format('%d', math.floor((time + offset) / 86400))
  local whose = kind .. BETWEEN .. string.sub(owner or '', 1, KEY_HASH)
  local row = whose .. BETWEEN .. (app or '') .. BETWEEN .. (model or '')
  local before = call('HGET', day, row)
  if not before and (#row > LONGEST_ROW or call('HLEN', day) >= MOST_ROWS) then
    row = whose
    before = call('HGET', day, row)
  end
  local figures = {}
  for number in string.gmatch(before or '', '%d+') do
    figures[#figures + 1] = number
  end
  for place = #figures + 1, NUMBER_OF_FIGURES do
    figures[place] = 0
  end
  -- Sums of a day stay far below the 14 digits that Lua writes of a number.
  local ending = OUTCOMES[outcome] or FAILED
  figures[ending] = figures[ending] + 1
  figures[DEVICE] = figures[DEVICE] + math.max(0, math.floor(milliseconds))
  for name, number in string.gmatch(made, '(%S+) (%d+)') do
    local place = FIGURES[name]
    if place then
      figures[place] = figures[place] + number
    end
  end
  call('HSET', day, row, table.concat(figures, ' '))
  if not before then
    call('EXPIRE', day, KEPT)
  end
end
