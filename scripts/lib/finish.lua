-- finish(by, reason, abandoned): the session ends now; abandoned: its user has been away for too long.
-- `waiting` is its queue's list. Participants stay, so that they can still read. keep: as in memory.lua.
-- KEYS: timers, dirty, waiting, open, profile
-- ARGV: a = JSON (session, keep?)
--#include session seats places line opened counts memory
local function finish(by, reason, abandoned)
  set.state, set.ended, set.ended_by, set.reason = 'ended', at, by, reason
  if s.state == 'waiting' then step_out(waiting, by) end
  redis.call('ZREM', timers, 'end|' .. a.session, 'idle|' .. a.session)
  if s.agent and (s.bot_owns or '') == '' then
    local away = redis.call('PTTL', profile) ~= -1 -- one who is connected has a profile that stays
    redis.call('HSET', profile, 'last_agent', s.agent, 'last_at', at)
    redis.call('ZADD', dirty, at, 'profile|u:' .. s.user)
    if away then forget_later(profile, a.keep or 0) end
  end
  closed(open, s.queue, a.session)
  close_offer('ended')
  if s.agent then owe(s.agent, 'owner', s.agent_res, false) end
  for _, id in ipairs(assistants()) do owe(id, 'assistant', '', false) end
  count_ended(abandoned)
  say('ended', ',"by":' .. cjson.encode(by) .. ',"reason":' .. cjson.encode(reason))
  return commit()
end
