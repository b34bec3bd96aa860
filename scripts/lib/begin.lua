-- begin(list, profile): a user's new wait. greet: what to tell the user, {mid, body}; closed: outside the queue's
-- hours; sticky: for how long its last agent is asked first: ms, or 0; bot: whether one gets it first.
-- ARGV: a = JSON (queue, greet, closed, sticky, bot)
--#include session line unread
local ROUTED = 1000 -- ms until another node does what the one that opened it should have done

local function begin(list, profile)
  if a.greet then
    append(a.greet.mid, '"mid":"' .. a.greet.mid .. '","from":{"id":"","role":"system","name":""},"type":"system"',
      a.greet.body, '', NOBODY, false)
  end
  if a.closed then set.told = at end
  local last = redis.call('HMGET', profile, 'last_agent', 'last_at')
  if a.sticky > 0 and last[1] and at <= last[2] + a.sticky then set.sticky = last[1] end
  if a.bot then set.bot_first = 1 end
  line_up(list, a.queue, at, false)
  if set.sticky or a.bot then timer('route', ROUTED) end
end
