-- beat: a node says that it is there, and hears who else is, and what is new of the queues' settings and of partitions that fell back.
--#flags allow-oom
-- KEYS: alive, epochs, rules
-- ARGV: a = JSON (node, n (of its beats, counted by itself), does (a letter for each work that not every node does), known (the version of `epochs`
--   it has read), saw ({partition, its epoch, …}, where that is not what it has read), dead ({node, what it said last, …}), leaves? (it stops))
-- reply: {1 if it was not known, id of the last change of settings, version, {partition, epoch, …} unless the version is known, {node, 'n|does', …}}
-- holds: a node that has been heard of since is not taken off; whatever others must know at once is published, and each beat tells it again.
local news = false
for i = 1, #a.saw, 2 do
  if redis.call('HGET', epochs, a.saw[i]) ~= a.saw[i + 1] then
    redis.call('HSET', epochs, a.saw[i], a.saw[i + 1])
    redis.call('HINCRBY', epochs, '', 1)
    news = true
  end
end
for i = 1, #a.dead, 2 do
  if redis.call('HGET', alive, a.dead[i]) == a.dead[i + 1] and redis.call('HDEL', alive, a.dead[i]) == 1 then news = true end
end
local fresh = redis.call('HEXISTS', alive, a.node) == 0
if a.leaves then
  redis.call('HDEL', alive, a.node)
else
  redis.call('HSET', alive, a.node, string.format('%d|%s', a.n, a.does))
end
if news or fresh or a.leaves then redis.call('PUBLISH', alive, '!') end
local version = redis.call('HGET', epochs, '') or ''
return {fresh and 1 or 0, redis.call('GET', rules) or '', version, version ~= a.known and redis.call('HGETALL', epochs) or {}, redis.call('HGETALL', alive)}
