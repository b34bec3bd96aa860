-- place: a place in an agent's load, and whether it should have been settled by now.
--#flags allow-oom
-- KEYS: load, timers
-- ARGV: agent, session, again ('1': where it is not settled, ask again in a second)
-- reply: {token, 'held' | 'due' | 'early'} | {''}: there is none
-- holds: the place stays as it is.
--#include time
local AGAIN = 1000 -- ms
local token, until_ = string.match(redis.call('HGET', load, session) or '', '^([^|]*)|(.*)$')
if not token then return {''} end
if until_ == 'held' then return {token, until_} end
local due = now() > tonumber(until_)
if again == '1' then redis.call('ZADD', timers, now() + AGAIN, 'place|' .. session .. '|' .. agent) end
return {token, due and 'due' or 'early'}
