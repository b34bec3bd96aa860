-- move: a mass move begins; what is to be moved is in `left` already.
-- KEYS: move, left, timers
-- ARGV: id, request, by, kept (how long it is remembered: ms)
-- reply: {'ok'}
-- holds: its timer carries it out, whichever node dies.
--#include time
if redis.call('EXISTS', move) == 1 then return {'ok'} end
redis.call('HSET', move, 'request', request, 'by', by, 'total', redis.call('SCARD', left), 'created', string.format('%d', now()))
redis.call('PEXPIRE', move, kept)
redis.call('ZADD', timers, now(), 'move|' .. id)
return {'ok'}
