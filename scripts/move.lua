-- move: a mass move begins; what is to be moved is in `left` already.
-- KEYS  1 the move 2 what is left of it 3 timers
-- ARGV  1 its id 2 request 3 by 4 how long it is remembered: ms
-- reply {'ok'}
-- holds its timer carries it out, whichever node dies.
--#include time
if redis.call('EXISTS', KEYS[1]) == 1 then return {'ok'} end
redis.call('HSET', KEYS[1], 'request', ARGV[2], 'by', ARGV[3], 'total', redis.call('SCARD', KEYS[2]), 'created', string.format('%d', now()))
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('ZADD', KEYS[3], now(), 'move|' .. ARGV[1])
return {'ok'}
