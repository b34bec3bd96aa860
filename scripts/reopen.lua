-- reopen: the user of an ended session has more to say; it waits again.
-- KEYS  1–8 as in lib/session.lua, 9 waiting list of its queue, 10 the user's open sessions, 11 the user's profile
--       12 strange: queues that nobody has set or serves
-- ARGV  {op, session, by (participant), boss, queue: as KEYS 9, window: ms since its end, 0 never, abandon: ms,
--        patience: ms, greet, closed, sticky, bot: as in lib/line.lua; most, strange, strange_most: as in lib/bounds.lua}
-- reply {'ok', snapshot, effect…} | {'moved', queue, user} | {'exists', session} | {'full', open, most} | {'crowded', queues, most} | {code, state}
-- holds a user has no second open session in a queue by it; those who took part take no part any more;
--       never past the window.
--#include time unread session seats places line opened bounds stats counts
if not s.state then return {'not_found'} end
if not (a.boss or a.by == 'u:' .. s.user) then return {'forbidden'} end
if s.state ~= 'ended' then
  if replayed() or s.reopened and s.state == 'waiting' then return {'ok', snapshot()} end
  return {'wrong_state', s.state}
end
if s.queue ~= a.queue then return {'moved', s.queue, s.user} end
local blocked = redis.call('HGET', KEYS[11], 'blocked')
if blocked then return {'blocked', blocked} end
if at > s.ended + a.window then return {'too_late'} end
local held = redis.call('HGET', KEYS[10], s.queue)
if held then return {'exists', string.match(held, '^[^,]+')} end
local refused = beyond(KEYS[10], KEYS[12])
if refused then return refused end

if s.agent then
  owe(s.agent, 'past', s.agent_res, false)
  exit(s.agent)
end
for _, id in ipairs(assistants()) do
  owe(id, 'past', '', false)
  exit(id)
  drop('as:' .. id)
end
drop('agent', 'agent_info', 'agent_res', 'grabbed', 'ended', 'ended_by', 'reason', 'ending_due', 'ending_by', 'told', 'moved_by', 'blocked')
redis.call('ZREM', KEYS[6], 'expire|' .. a.session)
opened(KEYS[10], s.queue, a.session)
settle_in(KEYS[12])
set.reopened = at
count_opened(a.queue, true)
await_people()
drop('bot_replied')
say('reopened', '')
begin(KEYS[9], KEYS[11])
local reply = commit()
redis.call('PUBLISH', KEYS[9], '+' .. a.session .. '\31' .. reply[2])
redis.call('PUBLISH', KEYS[11], cjson.encode({kind = 'mine', session = a.session}))
return reply
