-- resolve: what became of a place that was reserved and never heard of again.
--#flags allow-oom
-- KEYS  1 session
-- ARGV  1 agent 2 token 3 deadline: ms
-- reply {role, rev, hold: 0 or 1, ended: 0 or 1} | {'later'}
-- holds it says that the place is not needed only past the deadline, by the clock that `claim` and `offer` obey,
--       so that neither can take effect afterwards; an owner's or target's session adopts the token at once, unless it has
--       a newer one: so it has the one that its agent's load names, whichever of several reservations won.
--#include time
local agent = ARGV[1]
local s = redis.call('HMGET', KEYS[1], 'state', 'agent', 'target', 'rev', 'as:' .. agent, 'c:a:' .. agent, 'agent_res', 'target_res')
local rev = tonumber(s[4] or 0)
if s[2] == agent and s[1] ~= 'ended' then
  if ARGV[2] > (s[7] or '') then redis.call('HSET', KEYS[1], 'agent_res', ARGV[2]) end
  return {'owner', rev, 1, 0}
end
if s[3] == agent then
  if ARGV[2] > (s[8] or '') then redis.call('HSET', KEYS[1], 'target_res', ARGV[2]) end
  return {s[5] and 'assistant' or 'target', rev, 1, 0}
end
if now() <= tonumber(ARGV[3]) then return {'later'} end
if s[1] == 'ended' then return {s[2] == agent and 'owner' or (s[6] and 'past' or 'none'), rev, 0, 1} end
return {s[5] and 'assistant' or (s[6] and 'past' or 'none'), rev, 0, 0}
