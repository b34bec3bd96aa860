-- moved: a mass move is through with one session.
--#flags allow-oom
-- KEYS: left, failed
-- ARGV: session, moved ('1' if it was), kept (how long the move is remembered: ms)
-- reply: {'ok'}
-- holds: a session is counted once, as the first of several nodes found it.
if redis.call('SREM', left, session) == 1 and moved ~= '1' then
  redis.call('SADD', failed, session)
  redis.call('PEXPIRE', failed, kept)
end
return {'ok'}
