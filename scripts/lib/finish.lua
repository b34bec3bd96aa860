-- finish(by, reason, abandoned): the session ends now; abandoned: its user has been
-- away for too long. KEYS 9 waiting list of its queue, 10 the user's open sessions.
-- Participants stay, so that they can still read.
local function finish(by, reason, abandoned)
  set.state, set.ended, set.ended_by, set.reason = 'ended', at, by, reason
  if s.state == 'waiting' then
    redis.call('ZREM', KEYS[9], a.session)
    redis.call('PUBLISH', KEYS[9], '-' .. a.session .. '\31' .. by)
  end
  redis.call('ZREM', KEYS[6], 'end|' .. a.session, 'abandon|' .. a.session)
  closed(KEYS[10], s.queue, a.session)
  close_offer('ended')
  if s.agent then owe(s.agent, 'owner', s.agent_res, false) end
  for _, id in ipairs(assistants()) do owe(id, 'assistant', '', false) end
  count_ended(abandoned)
  say('ended', ',"by":' .. cjson.encode(by) .. ',"reason":' .. cjson.encode(reason))
  return commit()
end
