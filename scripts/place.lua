-- place: a place in an agent's load, and whether it should have been settled by now.
--#flags allow-oom
-- KEYS  1 load 2 timers
-- ARGV  1 agent 2 session 3 '1': where it is not settled, ask again in a second
-- reply {token, 'held' | 'due' | 'early'} | {''}: there is none
--#include time
local token, until_ = string.match(redis.call('HGET', KEYS[1], ARGV[2]) or '', '^([^|]*)|(.*)$')
if not token then return {''} end
if until_ == 'held' then return {token, until_} end
local due = now() > tonumber(until_)
if ARGV[3] == '1' then redis.call('ZADD', KEYS[2], now() + 1000, 'place|' .. ARGV[2] .. '|' .. ARGV[1]) end
return {token, due and 'due' or 'early'}
