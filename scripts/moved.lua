-- moved: a mass move is through with one session.
--#flags allow-oom
-- KEYS  1 what is left of the move 2 what it could not move
-- ARGV  1 session 2 '1' if it was moved 3 how long the move is remembered: ms
-- reply {'ok'}
-- holds a session is counted once, as the first of several nodes found it.
if redis.call('SREM', KEYS[1], ARGV[1]) == 1 and ARGV[2] ~= '1' then
  redis.call('SADD', KEYS[2], ARGV[1])
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
end
return {'ok'}
