-- assign(profile, agent, queues, capacity): an agent is known from now on, with these queues (JSON) and this capacity.
-- `named` holds how many known agents name each queue, and `crews` who they are (queue 0x1f agent), so that nobody has
-- to ask all agents for the queues there are, nor for those of one queue.
-- KEYS: agents, named, crews, presences
local function assign(profile, agent, queues, capacity)
  local fresh = redis.call('SADD', agents, agent) == 1
  local old = not fresh and redis.call('HGET', profile, 'queues') or '[]'
  if old ~= queues then
    for _, q in ipairs(cjson.decode(old)) do
      redis.call('ZREM', crews, q .. '\31' .. agent)
      if redis.call('HINCRBY', named, q, -1) <= 0 then redis.call('HDEL', named, q) end
    end
    for _, q in ipairs(cjson.decode(queues)) do redis.call('HINCRBY', named, q, 1) end
  end
  for _, q in ipairs(cjson.decode(queues)) do
    -- Where nothing changed, too: a node of a version before changed queues and did not write this. Who assigns notices.
    if redis.call('ZADD', crews, 0, q .. '\31' .. agent) == 1 and old == queues then redis.call('HINCRBY', presences, q, 1) end
  end
  redis.call('HSET', profile, 'queues', queues, 'capacity', capacity)
end
