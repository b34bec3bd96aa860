-- claim: a waiting session gets the agent who holds a place for it (the second half of a grab).
-- KEYS  1–8 as in lib/session.lua, 9… waiting lists of the agent's queues
-- ARGV  {op, session, agent, info, token, deadline: ms, queues: as KEYS 9…}
-- reply {'ok', snapshot, effect} | {'taken', owner} | {'late'} | {code} | {'kept', one of these}
-- holds one owner; only out of one's own queues; never past the place's deadline.
--#include time unread session seats places stats counts
if not s.state then return {'not_found'} end
local owner = s.agent == a.agent and s.state ~= 'ended'
if owner then
  -- Asked again by its owner: the load now names the new token, so the session must, too.
  redis.call('HSET', KEYS[1], 'agent_res', a.token)
  s.rev = s.rev - 1
  owe(a.agent, 'owner', a.token, true)
  return {'ok', snapshot(), unpack(effects)}
end
local waiting
for i, q in ipairs(a.queues) do if q == s.queue then waiting = KEYS[8 + i] end end
if not waiting then return refuse('forbidden') end
if s.state == 'ended' then return {'ended'} end
if s.state ~= 'waiting' then return refuse('taken', s.agent) end
if at > a.deadline then return {'late'} end

set.state, set.agent, set.agent_info, set.agent_res, set.grabbed = 'serving', a.agent, a.info, a.token, at
count_taken(a.agent)
say('grabbed', ',"agent":' .. a.info)
enter(a.agent)
redis.call('ZREM', waiting, a.session)
redis.call('ZREM', KEYS[6], 'abandon|' .. a.session)
owe(a.agent, 'owner', a.token, true)
redis.call('PUBLISH', waiting, '-' .. a.session .. '\31' .. a.agent)
return commit()
