-- announce(profile, load, prefix, agent): tells the watchers of an agent's queues how it is now, and the
-- nodes since when nothing has come to it or gone from it, and how many presences were told in that queue: so
-- who misses one notices (docs/architecture.md, Who gets a session).
-- prefix is the partition's queue channels without their queue.
-- KEYS: presences, stats
--#include occupancy
local ONLINE, AT_WORK = 1, 2

local function announce(profile, load, prefix, agent)
  local p = redis.call('HMGET', profile, 'status', 'capacity', 'queues', 'idle_at')
  local held = redis.call('HLEN', load)
  occupy(agent, (p[1] == 'online' and ONLINE or 0) + (held > 0 and AT_WORK or 0))
  local rest = ',' .. string.sub(cjson.encode({agent = agent, status = p[1] or 'offline', load = held,
    capacity = tonumber(p[2] or 0)}), 2) .. '\31' .. (p[4] or 0)
  for _, q in ipairs(cjson.decode(p[3] or '[]')) do
    redis.call('PUBLISH', prefix .. q, 'P{"n":' .. redis.call('HINCRBY', presences, q, 1) .. rest)
  end
end
