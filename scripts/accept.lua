-- accept: the offer's target becomes the owner.
-- KEYS  1–8 as in lib/session.lua
-- ARGV  {op, session, by}
-- reply {'ok', snapshot, effect, effect} | {code, state}
-- holds one owner, the old until now, the new from now on; its place was held since the offer.
--#include time unread session seats places stats counts
if not s.state then return {'not_found'} end
if not (s.agent == a.by or s.target == a.by or s.last_target == a.by or s['c:a:' .. a.by]) then return {'forbidden'} end
if s.state == 'ended' then return {'ended'} end
if s.agent == a.by then return {'ok', snapshot()} end
if s.state ~= 'transferring' then return {'wrong_state', s.state} end
if s.target ~= a.by then return {'forbidden'} end
local expires = tonumber(s.offer_expires)
if expires > 0 and at >= expires then return {'too_late'} end

local old, info, token = s.agent, s.target_info, s.target_res
set.state, set.agent, set.agent_info, set.agent_res = 'serving', a.by, info, token
set.last_target, set.last_outcome = a.by, 'accepted'
drop('target', 'target_info', 'target_res', 'offer_by', 'offer_note', 'offer_expires', 'as:' .. a.by)
redis.call('ZREM', KEYS[6], 'offer|' .. a.session)
count_taken(a.by)
say('transferred', ',"from":' .. s.agent_info .. ',"to":' .. info)
enter(a.by)
exit(old)
owe(old, 'past', s.agent_res, false)
owe(a.by, 'owner', token, true, {kind = 'offer-ended', outcome = 'accepted'})
return commit()
