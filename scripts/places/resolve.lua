-- resolve: what became of a place that was reserved and never heard of again.
--#flags allow-oom
-- KEYS: session
-- ARGV: agent, token, last ('1': nobody will ask for it any more, if it is not taken yet)
-- reply: {role, rev, hold: 0 or 1, ended: 0 or 1} | {'later'}
-- holds: a place that is not needed is fenced off before it is said so: `claim`, `offer` and `takeover` refuse that token
--   and older ones afterwards, whatever the clocks of the two partitions' servers say. An owner's or target's session
--   adopts the token at once, unless it has a newer one: so it has the one that its agent's load names, whichever of
--   several reservations won.
local s = redis.call('HMGET', session, 'state', 'agent', 'target', 'rev', 'as:' .. agent, 'c:a:' .. agent, 'agent_res', 'target_res', 'm:a:' .. agent)
local past = s[9] == '1' or s[6] and not s[9] -- of an earlier version: who lists it finds out
local rev = tonumber(s[4] or 0)
if s[2] == agent and s[1] ~= 'ended' then
  if token > (s[7] or '') then redis.call('HSET', session, 'agent_res', token) end
  return {'owner', rev, 1, 0}
end
if s[3] == agent then
  if token > (s[8] or '') then redis.call('HSET', session, 'target_res', token) end
  return {s[5] and 'assistant' or 'target', rev, 1, 0}
end
if last ~= '1' then return {'later'} end
if s[1] then
  local fence = redis.call('HGET', session, 'f:' .. agent)
  if not fence or fence < token then redis.call('HSET', session, 'f:' .. agent, token) end
end
if s[1] == 'ended' then return {s[2] == agent and 'owner' or (past and 'past' or 'none'), rev, 0, 1} end
return {s[5] and 'assistant' or (past and 'past' or 'none'), rev, 0, 0}
