-- saved: the archive has acknowledged what a node gave it of a session.
--#flags allow-oom
-- KEYS: session, log, read, recalled, dirty, timers, aside, late
-- ARGV: a = JSON (session, upto (seq), mid (of the message there, '' if none was given), rev, seq, reads (sum of the read marks), recalls (those acknowledged),
--   codes, refused (seqs the store will never take), taken (seqs it took), keep (entries of the log), expire (ms),
--   again (ms until the session is tried again, where the store refused it, else 0), since (ms))
-- reply: {'ok', 1 if the archive has everything now} | {'other'}: the log has another message there, since Redis fell back
-- holds: `archived` never goes back; it passes over nothing but what was acknowledged or set aside;
--   what is not archived, set aside, or among the last `keep` stays in the log; what changed meanwhile stays dirty.
--#include time head
local s = redis.call('HMGET', session, 'seq', 'archived', 'rev', 'recalls', 'aside', 'state', 'ended', 'codes_saved')
redis.call('ZREM', late, a.session)
if not s[1] then
  redis.call('ZREM', dirty, a.session)
  return {'ok', 1}
end
if a.mid ~= '' then
  if not is_of(head_of(log, recalled, a.upto) or '', a.mid) then
    redis.call('ZADD', dirty, now(), a.session)
    return {'other'}
  end
end
local archived, recalls = math.max(tonumber(s[2] or 0), a.upto), s[4] or ''
if string.sub(recalls, 1, #a.recalls) == a.recalls then recalls = string.sub(recalls, #a.recalls + 1) end

-- What is set aside: what was, less what the store took after all, and what it refused.
local held, left_out = {}, {}
for seq in string.gmatch(s[5] or '', '%d+') do held[seq] = true end
for _, seq in ipairs(a.refused) do held[string.format('%d', seq)] = true end
for _, seq in ipairs(a.taken) do held[string.format('%d', seq)] = nil end
local first = math.max(1, math.min(archived, s[1] - a.keep) + 1)
for seq in pairs(held) do
  left_out[#left_out + 1] = seq
  first = math.min(first, tonumber(seq))
end
redis.call('HSET', session, 'archived', archived, 'recalls', recalls, 'aside', table.concat(left_out, ','),
  'codes_saved', math.max(tonumber(s[8] or 0), a.codes))
if #left_out > 0 then
  redis.call('ZADD', aside, 'NX', now(), a.session)
else
  redis.call('ZREM', aside, a.session)
end
if redis.call('XTRIM', log, 'MINID', string.format('%d-0', first)) > 0 and recalls == '' then
  for _, seq in ipairs(redis.call('HKEYS', recalled)) do
    if tonumber(seq) < first then redis.call('HDEL', recalled, seq) end
  end
end

if a.again > 0 then
  redis.call('ZADD', dirty, now() + a.again, a.session)
  return {'ok', 0}
end
local reads = 0
for _, mark in ipairs(redis.call('HVALS', read)) do reads = reads + mark end
if archived < tonumber(s[1]) or recalls ~= '' or a.rev ~= tonumber(s[3]) or a.reads ~= reads or a.seq ~= tonumber(s[1]) then
  -- What is left of a long log is as late as it was; what is new waits its time.
  local left = archived < tonumber(s[1]) and archived > tonumber(s[2] or 0)
  redis.call('ZADD', dirty, left and a.since or now(), a.session)
  return {'ok', 0}
end
redis.call('ZREM', dirty, a.session)
if s[6] == 'ended' then redis.call('ZADD', timers, 'NX', s[7] + a.expire, 'expire|' .. a.session) end
return {'ok', 1}
