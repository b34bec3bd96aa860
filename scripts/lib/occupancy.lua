-- How agents spend their time: flags are 1 if online, plus 2 if at work.
-- `now|agent|0x1f agent` holds the flags and since when; what has passed is
-- counted, into the hours it covers, when they change and when it is rolled.
-- KEYS: stats
--#include time stats

-- occupy(agent, flags): how the agent is from now on; without flags: as before.
local function occupy(agent, flags)
  local field = 'now|agent|\31' .. agent
  local was, since = string.match(redis.call('HGET', stats, field) or '0|0', '^(%d)|(%d+)$')
  if flags == tonumber(was) then return end
  flags = flags or tonumber(was)
  local at = now()
  if was ~= '0' then
    -- A node rolls every minute: in a long gap there was none, and nothing is known of it.
    local from = at - since > 2 * HOUR and at or tonumber(since)
    from = math.max(from, open_hour(0, redis.call('HGET', stats, 'sealed')) * HOUR)
    while from < at do
      local hour = math.floor(from / HOUR)
      local till = math.min(at, (hour + 1) * HOUR)
      redis.call('HINCRBY', stats, hour .. '|agent.' .. was .. '|\31' .. agent, till - from)
      from = till
    end
  end
  if flags == 0 then
    if was ~= '0' then redis.call('HDEL', stats, field) end
  else
    redis.call('HSET', stats, field, flags .. string.format('|%d', at))
  end
end
