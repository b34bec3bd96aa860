-- collect: hands the sessions of which the archive (or a hook) lacks something to one node for a while; a crash gives them back.
--#flags allow-oom
-- KEYS  1 dirty 2 late: since when what is handed out has been waiting 3 leases
-- ARGV  {borrower, call, ack: as in lib/lease.lua, limit, lease: ms, delay: how long the first change must be ago: ms}
-- reply {now, lease, {member, since when, …}}
-- holds what is handed out has the score `lease` and is nobody else's before; how late it is stays known.
--#include time lease
local a = cjson.decode(ARGV[1])
local at = now()
local lease, again = lend(KEYS[3], a.borrower, a.call, a.ack, a.lease, {KEYS[1]})
if not lease then return {at, '', {}} end
local due
if again then
  due = redis.call('ZRANGEBYSCORE', KEYS[1], lease, lease, 'WITHSCORES')
else
  due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', at - a.delay, 'WITHSCORES', 'LIMIT', 0, a.limit)
end
for i = 1, #due, 2 do
  redis.call('ZADD', KEYS[2], 'NX', due[i + 1], due[i])
  due[i + 1] = redis.call('ZSCORE', KEYS[2], due[i]) -- earlier, where a node took it before and died
  redis.call('ZADD', KEYS[1], lease, due[i])
end
return {at, lease, due}
