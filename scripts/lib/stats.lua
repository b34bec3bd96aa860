-- Counting, in the very step that makes it happen. `stats` are the partition's
-- statistics, a hash: `hour|metric|queue 0x1f agent` → a sum that only grows
-- until the hour is sealed; `now|…` is what holds at present.
-- KEYS: stats
local HOUR, MOST_QUEUES = 3600000, 500
local tally_hour, tally_queue

-- open_hour(at): the hour of a time; the next that is open where it is sealed (a clock went back).
local function open_hour(at, sealed) return math.max(math.floor(at / HOUR), tonumber(sealed or 0) + 1) end

-- tally(at, queue, known): what follows counts for this queue. Users name queues
-- as they like: of those that nobody has set or served, an hour keeps so many by
-- name, and counts the rest under ''.
local function tally(at, queue, known)
  local hour = math.floor(at / HOUR)
  local had = redis.call('HMGET', stats, 'sealed', hour .. '|queue|' .. queue)
  tally_hour, tally_queue = open_hour(at, had[1]), queue
  if tally_hour ~= hour then had[2] = redis.call('HGET', stats, tally_hour .. '|queue|' .. queue) end
  if had[2] then return end
  if known or redis.call('HINCRBY', stats, tally_hour .. '|queues|', 1) <= MOST_QUEUES then
    redis.call('HSET', stats, tally_hour .. '|queue|' .. queue, 1)
  else
    tally_queue = ''
  end
end

-- bump(metric, agent, n)
local function bump(metric, agent, n)
  redis.call('HINCRBY', stats, tally_hour .. '|' .. metric .. '|' .. tally_queue .. '\31' .. (agent or ''), n or 1)
end

-- took(metric, agent, ms): a duration, into its bin of a DDSketch of 1 % accuracy.
local function took(metric, agent, ms)
  ms = math.max(1, math.floor(ms))
  bump(metric .. '.sum', agent, ms)
  bump(metric .. '.' .. math.floor(math.log(ms) / math.log(1.01 / 0.99)), agent)
end

-- serves(queue, agent, d): how many sessions an agent has now.
local function serves(queue, agent, d)
  local field = 'now|serving|' .. queue .. '\31' .. agent
  if redis.call('HINCRBY', stats, field, d) <= 0 then redis.call('HDEL', stats, field) end
end
