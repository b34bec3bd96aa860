-- A rate that is kept for each participant.
local HALF_HOUR = 1.8e9 -- µs

-- pass(key, now, interval, burst): GCRA. The key holds when its participant has its
-- full burst again (µs); each pass moves that on by interval (µs), and none is given
-- that would move it further than burst intervals ahead. Gives the wait (µs): what
-- is not above 0 has passed and is counted. The key lives as long as it matters and
-- half an hour, at least: a time to live costs more than all the rest, so only the
-- first pass of each half hour sets one.
local function pass(key, now, interval, burst)
  local held, most = tonumber(redis.call('GET', key) or 0), interval * burst
  local to = held
  -- What is further ahead is of a clock that was fast, before a failover, or of another rate.
  if to < now then to = now elseif to > now + most then to = now + most end
  to = to + interval
  local wait = to - most - now
  if wait > 0 then return wait end
  if math.floor(held / HALF_HOUR) == math.floor(to / HALF_HOUR) then
    redis.call('SET', key, string.format('%d', to), 'KEEPTTL')
  else
    redis.call('SET', key, string.format('%d', to), 'EX', string.format('%d', 3600 + most / 1e6))
  end
  return 0
end
