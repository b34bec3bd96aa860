-- saved: the archive has acknowledged what a node gave it of a session.
--#flags allow-oom
-- KEYS  1 session 2 log 3 read 4 recalled 5 dirty 6 timers 7 aside 8 late
-- ARGV  {session, upto: seq, mid: of the message there, '' if none was given, rev, seq, reads: sum of the read marks, recalls: those acknowledged, codes,
--        refused: seqs the store will never take, taken: seqs it took, keep: entries of the log, expire: ms,
--        again: ms until the session is tried again, where the store refused it, else 0, since: ms}
-- reply {'ok', 1 if the archive has everything now} | {'other'}: the log has another message there, since Redis fell back
-- holds `archived` never goes back; it passes over nothing but what was acknowledged or set aside;
--       what is not archived, set aside, or among the last `keep` stays in the log; what changed meanwhile stays dirty.
--#include time
local a = cjson.decode(ARGV[1])
local s = redis.call('HMGET', KEYS[1], 'seq', 'archived', 'rev', 'recalls', 'aside', 'state', 'ended', 'codes_saved')
redis.call('ZREM', KEYS[8], a.session)
if not s[1] then
  redis.call('ZREM', KEYS[5], a.session)
  return {'ok', 1}
end
if a.mid ~= '' then
  local entry = redis.call('XRANGE', KEYS[2], a.upto .. '-0', a.upto .. '-0')[1]
  local gone = not entry and redis.call('HGET', KEYS[4], a.upto)
  local head = entry and entry[2][8] or gone and cjson.decode(gone).h or ''
  if string.sub(head, 1, #a.mid + 8) ~= '"mid":"' .. a.mid .. '"' then
    redis.call('ZADD', KEYS[5], now(), a.session)
    return {'other'}
  end
end
local archived, recalls = math.max(tonumber(s[2] or 0), a.upto), s[4] or ''
if string.sub(recalls, 1, #a.recalls) == a.recalls then recalls = string.sub(recalls, #a.recalls + 1) end

-- What is set aside: what was, less what the store took after all, and what it refused.
local held, aside = {}, {}
for seq in string.gmatch(s[5] or '', '%d+') do held[seq] = true end
for _, seq in ipairs(a.refused) do held[string.format('%d', seq)] = true end
for _, seq in ipairs(a.taken) do held[string.format('%d', seq)] = nil end
local first = math.max(1, math.min(archived, s[1] - a.keep) + 1)
for seq in pairs(held) do
  aside[#aside + 1] = seq
  first = math.min(first, tonumber(seq))
end
redis.call('HSET', KEYS[1], 'archived', archived, 'recalls', recalls, 'aside', table.concat(aside, ','),
  'codes_saved', math.max(tonumber(s[8] or 0), a.codes))
if #aside > 0 then
  redis.call('ZADD', KEYS[7], 'NX', now(), a.session)
else
  redis.call('ZREM', KEYS[7], a.session)
end
if redis.call('XTRIM', KEYS[2], 'MINID', string.format('%d-0', first)) > 0 and recalls == '' then
  for _, seq in ipairs(redis.call('HKEYS', KEYS[4])) do
    if tonumber(seq) < first then redis.call('HDEL', KEYS[4], seq) end
  end
end

if a.again > 0 then
  redis.call('ZADD', KEYS[5], now() + a.again, a.session)
  return {'ok', 0}
end
local reads = 0
for _, mark in ipairs(redis.call('HVALS', KEYS[3])) do reads = reads + mark end
if archived < tonumber(s[1]) or recalls ~= '' or a.rev ~= tonumber(s[3]) or a.reads ~= reads or a.seq ~= tonumber(s[1]) then
  -- What is left of a long log is as late as it was; what is new waits its time.
  local left = archived < tonumber(s[1]) and archived > tonumber(s[2] or 0)
  redis.call('ZADD', KEYS[5], left and a.since or now(), a.session)
  return {'ok', 0}
end
redis.call('ZREM', KEYS[5], a.session)
if s[6] == 'ended' then redis.call('ZADD', KEYS[6], 'NX', s[7] + a.expire, 'expire|' .. a.session) end
return {'ok', 1}
