-- serve(agent, info, token, extra): the agent owns the session from now on. idle: ms without a message, by queue.
-- KEYS: timers
-- ARGV: a = JSON (session, idle, bot?)
--#include session seats places line idle
local function serve(agent, info, token, extra)
  -- Its offer's place may have been reserved later than this one: then the load names that.
  if s.target == agent and s.target_res > token then token = s.target_res end
  set.state, set.agent, set.agent_info, set.agent_res, set.grabbed = 'serving', agent, info, token, at
  set.idle_since = at
  set.bot_owns = a.bot and 1 or ''
  drop('told', 'sticky', 'bot_first', 'idle_warned')
  set.idle = a.idle and a.idle[s.queue] or 0
  timer('idle', set.idle - notice(set.idle))
  enter(agent)
  owe(agent, 'owner', token, true, extra)
end

-- take_offer(agent): whether an open offer was that agent's own. Any other is taken back.
local function take_offer(agent)
  if s.target ~= agent then
    close_offer('cancelled')
    return false
  end
  set.last_target, set.last_outcome = agent, 'accepted'
  drop('target', 'target_info', 'target_res', 'offer_by', 'offer_note', 'offer_expires')
  redis.call('ZREM', timers, 'offer|' .. a.session)
  return true
end
