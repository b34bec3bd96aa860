-- enrol: whether an agent took part in a session is kept with it, where an earlier version kept only that it wrote.
--#flags allow-oom
-- KEYS  1 session
-- ARGV  1 agent 2 '1': it took part, as the log tells, or '0'
-- reply {'ok'}
-- holds what is kept already stays; nothing is made where there is no session.
if redis.call('HEXISTS', KEYS[1], 'c:a:' .. ARGV[1]) == 1 then redis.call('HSETNX', KEYS[1], 'm:a:' .. ARGV[1], ARGV[2]) end
return {'ok'}
