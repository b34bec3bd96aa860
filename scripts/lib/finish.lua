-- finish(by, reason, abandoned): the session ends now; abandoned: its user has been
-- away for too long. KEYS 9 waiting list of its queue, 10 the user's open sessions,
-- 11 the user's profile. Participants stay, so that they can still read. a.keep: as in memory.lua. After memory.
local function finish(by, reason, abandoned)
  set.state, set.ended, set.ended_by, set.reason = 'ended', at, by, reason
  if s.state == 'waiting' then step_out(KEYS[9], by) end
  redis.call('ZREM', KEYS[6], 'end|' .. a.session, 'idle|' .. a.session)
  if s.agent and (s.bot_owns or '') == '' then
    local away = redis.call('PTTL', KEYS[11]) ~= -1 -- one who is connected has a profile that stays
    redis.call('HSET', KEYS[11], 'last_agent', s.agent, 'last_at', at)
    redis.call('ZADD', KEYS[7], at, 'profile|u:' .. s.user)
    if away then forget_later(KEYS[11], a.keep or 0) end
  end
  closed(KEYS[10], s.queue, a.session)
  close_offer('ended')
  if s.agent then owe(s.agent, 'owner', s.agent_res, false) end
  for _, id in ipairs(assistants()) do owe(id, 'assistant', '', false) end
  count_ended(abandoned)
  say('ended', ',"by":' .. cjson.encode(by) .. ',"reason":' .. cjson.encode(reason))
  return commit()
end
