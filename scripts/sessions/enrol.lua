-- enrol: whether an agent took part in a session is kept with it, where an earlier version kept only that it wrote.
--#flags allow-oom
-- KEYS: session
-- ARGV: agent, took ('1': it took part, as the log tells, or '0')
-- reply: {'ok'}
-- holds: what is kept already stays; nothing is made where there is no session.
if redis.call('HEXISTS', session, 'c:a:' .. agent) == 1 then redis.call('HSETNX', session, 'm:a:' .. agent, took) end
return {'ok'}
