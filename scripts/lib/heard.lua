-- heard(at, by, staff, bot): the first that a session's user hears from people (staff), or from bots, is counted.
-- KEYS: session, stats
--#include stats
local function heard(at, by, staff, bot)
  local f = redis.call('HMGET', session, 'queue', 'created', 'reopened', 'awaited')
  redis.call('HSET', session, bot and 'bot_replied' or 'replied', at)
  tally(tonumber(at), f[1], staff)
  took(bot and 'R' or 'r', staff and string.sub(by, 3) or '', at - (bot and f[3] or not bot and f[4] or f[2]))
end
