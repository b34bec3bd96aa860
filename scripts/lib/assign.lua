-- assign(profile, agents, named, agent, queues, capacity): an agent is known from now on, with these queues
-- (JSON) and this capacity. `named` holds how many known agents name each queue, so that nobody
-- has to ask all agents for the queues there are.
local function assign(profile, agents, named, agent, queues, capacity)
  local fresh = redis.call('SADD', agents, agent) == 1
  local old = not fresh and redis.call('HGET', profile, 'queues') or '[]'
  if old ~= queues then
    for _, q in ipairs(cjson.decode(old)) do
      if redis.call('HINCRBY', named, q, -1) <= 0 then redis.call('HDEL', named, q) end
    end
    for _, q in ipairs(cjson.decode(queues)) do redis.call('HINCRBY', named, q, 1) end
  end
  redis.call('HSET', profile, 'queues', queues, 'capacity', capacity)
end
