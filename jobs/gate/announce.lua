-- Tells the receiver of a job or batch of its end: makes the job that delivers the event (jobs/webhooks). For the
-- scripts that end jobs and batches.

-- Deliveries that may wait; what comes beyond them is counted and left out.
local MOST_DELIVERIES = 10000
-- Their queue.
local DELIVERY = 'webhook'

-- `asked`: JSON of jobs/webhooks/hook.py. `data`: JSON of what the event is about, whose id is `subject`.
local function announce(asked, ending, subject, data, owner, now_iso)
  local hook = cjson.decode(asked)
  local event, wanted = hook.family .. '.' .. ending, false
  for _, name in ipairs(hook.events) do
    wanted = wanted or name == event
  end
  local id = 'evt_' .. subject
  local key = 'rq:job:' .. id
  if not wanted or call('EXISTS', key) == 1 then
    return
  end
  if call('LLEN', 'rq:queue:' .. DELIVERY) + call('ZCARD', 'rq:scheduled:' .. DELIVERY) >= MOST_DELIVERIES then
    call('HINCRBY', 'mlxq:metrics', 'webhooks|dropped', 1)
    return
  end
  local time = math.floor(now())
  local told = cjson.encode(id)
  local body = '{"id":' .. told .. ',"object":"event","type":"' .. event .. '","created_at":' .. time
    .. ',"data":' .. data .. '}'
  call('HSET', key, 'status', 'queued', 'created_at', now_iso, 'enqueued_at', now_iso, 'origin', DELIVERY,
    'data', '["worker.rq_function.run",null,[],{"event":"' .. event .. '","of":' .. cjson.encode(subject) .. '}]',
    'description', 'webhook(' .. event .. ')', 'timeout', -1, 'result_ttl', -1, 'failure_ttl', -1, 'retries_left', 3,
    'meta', '{}', 'mlxq_event', event, 'mlxq_of', subject, 'mlxq_url', hook.url, 'mlxq_host', hook.host,
    'mlxq_owner', owner, 'mlxq_created', time, 'mlxq_body', body, 'mlxq_tries', 0)
  call('SADD', 'rq:queues', 'rq:queue:' .. DELIVERY)
  call('RPUSH', 'rq:queue:' .. DELIVERY, id)
  call('ZADD', 'mlxq:deliveries', math.floor(now() * 1000), id)
  call('PUBLISH', 'mlxq:bus:news', 'webhooks')
end

-- The end of a job, by its last event. Of a response that is too long the answer is incomplete.
local function announce_job(id, asked, event, category, now_iso)
  local ending = string.match(event, '^{"type":"(%a+)"')
  local job = call('HMGET', 'rq:job:' .. id, 'mlxq_kind', 'mlxq_model', 'mlxq_app', 'mlxq_error', 'mlxq_owner')
  local data
  if string.find(asked, '"family":"response"', 1, true) then
    if ending == 'completed' and string.find(event, '"finish_reason":"length"', 1, true) then
      ending = 'incomplete'
    elseif ending == 'expired' then
      ending = 'failed'
    end
    data = '{"id":' .. cjson.encode(id) .. '}'
  else
    local error = ending == 'failed' and job[4] and cjson.decode(job[4])
    data = cjson.encode({
      id = id, object = 'job', status = ending, kind = job[1] or '', model = job[2] or '', app = job[3] or '',
      queue = category, error = error and { code = error.code, message = error.message } or cjson.null,
    })
  end
  announce(asked, ending, id, data, job[5] or '', now_iso)
end
