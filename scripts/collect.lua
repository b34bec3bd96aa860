-- collect: hands the sessions of which the archive lacks something to one node for a while; a crash gives them back.
--#flags allow-oom
-- KEYS  1 dirty 2 late: since when what is handed out has been waiting
-- ARGV  1 at most 2 lease: ms 3 how long the first change must be ago: ms
-- reply {now, lease, {member, since when, …}}
-- holds what is handed out has the score `lease` and is nobody else's before; how late it is stays known.
--#include time
local at = now()
local lease = at + tonumber(ARGV[2])
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', at - tonumber(ARGV[3]), 'WITHSCORES', 'LIMIT', 0, ARGV[1])
for i = 1, #due, 2 do
  redis.call('ZADD', KEYS[2], 'NX', due[i + 1], due[i])
  due[i + 1] = redis.call('ZSCORE', KEYS[2], due[i]) -- earlier, where a node took it before and died
  redis.call('ZADD', KEYS[1], lease, due[i])
end
return {at, lease, due}
