-- revive: a session comes back from the archive.
-- KEYS  1–8 as in lib/session.lua, 9 recalled 10 waiting list of its queue 11 the user's open sessions
--       12 the user's sessions 13 all sessions of the partition 14 waiting list it is in 15 those by state, then the statistics
-- ARGV  1 {session, hash: {field, value…}, unread: {participant, count…}, read: likewise,
--       recalled: {seq, head…}, expire: ms, over: what is there if it is older, {rev, seq, ops, queue}, or nil}
--       2 authors  3… seq, at, by, key, head, body of the log's tail
-- reply {'ok'} | {'exists'}
-- holds as after the last transition; everything it writes is in the archive; its timers run.
--#include time opened stats states fallen
local a = cjson.decode(ARGV[1])
if redis.call('EXISTS', KEYS[1]) == 1 and not (a.over and withdrawn(a.session, a.over)) then return {'exists'} end
local at, s = now(), {}
local function fill(key, list)
  redis.call('DEL', key)
  for i = 1, #list, 2 do redis.call('HSET', key, list[i], list[i + 1]) end
end
for i = 1, #a.hash, 2 do s[a.hash[i]] = a.hash[i + 1] end
redis.call('DEL', KEYS[2])
for i = 3, #ARGV, 6 do
  redis.call('XADD', KEYS[2], ARGV[i] .. '-0', 'at', ARGV[i + 1], 'by', ARGV[i + 2], 'key', ARGV[i + 3],
    'h', ARGV[i + 4], 'b', ARGV[i + 5])
end
fill(KEYS[3], a.unread)
fill(KEYS[4], a.read)
redis.call('SET', KEYS[5], ARGV[2])
fill(KEYS[9], a.recalled)
redis.call('ZADD', KEYS[12], s.created, a.session)
redis.call('ZADD', KEYS[13], s.created, a.session)
local function timer(kind, due) redis.call('ZADD', KEYS[6], due, kind .. '|' .. a.session) end
if s.state == 'ended' then
  timer('expire', at + a.expire)
else
  opened(KEYS[11], s.queue, a.session)
  if s.owned then serves(s.queue, s.agent, 1) end
end
if s.state == 'waiting' then
  redis.call('ZADD', KEYS[10], s.score, a.session)
  if tonumber(s.abandon or 0) > 0 then timer('abandon', at + s.abandon) end
  if tonumber(s.patience or 0) > 0 and not s.told then timer('patience', at + s.patience) end
  if s.sticky or s.bot_first then timer('route', at) end
elseif s.state ~= 'ended' and tonumber(s.idle or 0) > 0 then
  timer('idle', at) -- finds out when it is due
end
if s.target and tonumber(s.offer_expires) > 0 then timer('offer', s.offer_expires) end
if s.state == 'ending' and s.ending_due then timer('end', s.ending_due) end
refile(KEYS[15], a.session, s.created, nil, nil, s.state, s.queue)
fill(KEYS[1], a.hash)
redis.call('HSET', KEYS[1], 'thawed', at)
redis.call('ZADD', KEYS[7], at, a.session)
--#hooks if s.hooked and tonumber(s.hooked) < 2 * s.seq then redis.call('ZADD', KEYS[#KEYS], 'NX', at, a.session) end
if a.over then shown(s, a.session) end
return {'ok'}
