-- send: one message into the log, once.
-- KEYS: session, log, unread, read, authors, timers, dirty, keys, rate (the user's), counted = stats|states (an agent's and a bot's go to the statistics, others' to the list by state), hooks?
-- ARGV: id, by (participant, or h:… for a host), hash (of sender and key), key, head, body, kind ('n' for a note, else 'm'),
--   origin (the sending connection), reply_to (seq, or 0), interval = number (µs between two sends at the rate; 0: any rate;
--   -1: nothing new, only a duplicate is answered), burst = number, bots ('1' for a bot's)
-- reply: {'ok', seq, at} | {'dup', seq, at, head} | {'rate_limited', wait: ms} | {code, state}
-- holds: seq has no gap; a key makes one message; unread of all others grows by one; a blocked user sends nothing new;
--   what is refused stores nothing, and a repeated key is answered all the same.
--#include unread rate
local note = kind == 'n'
local s = redis.call('HMGET', session, 'state', 'seq', 'c:' .. by, 'blocked', 'replied', 'bot_replied')
local state = s[1]
if not state then return {'not_found'} end
local all, member, counts = redis.call('HGETALL', unread), false, {}
for i = 1, #all, 2 do
  local p = all[i]
  if p == by then
    member = true
  elseif not (note and string.sub(p, 1, 2) == 'u:') then
    counts[#counts + 1], counts[#counts + 2] = p, string.format('%d', all[i + 1] + 1)
  end
end
if not member and string.sub(by, 1, 2) == 'h:' then member = true end
if not member and not s[3] then return {'forbidden'} end

-- Numbers go on as strings: Redis would print each as a float each time it is used.
local seq = string.format('%d', s[2] + 1)
local t = redis.call('TIME')
local blocked = s[4] and string.sub(by, 1, 2) == 'u:' -- see block.lua
local seen = (not member or blocked or state == 'ended') and redis.call('HGET', keys, hash)
if not seen then
  if not member then return {'forbidden'} end
  if blocked then return {'blocked'} end
  if state == 'ended' then return {'ended'} end
  if reply_to ~= '0' and tonumber(reply_to) > tonumber(s[2]) then return {'bad_request', 'replyTo: no such message'} end
  local wait = interval > 0 and pass(rate, t[1] * 1000000 + t[2], interval, burst) or 0
  if wait > 0 or interval < 0 then
    seen = redis.call('HGET', keys, hash)
    if not seen then return {'rate_limited', math.ceil(wait / 1000)} end
  elseif redis.call('HSETNX', keys, hash, seq) == 0 then
    seen = redis.call('HGET', keys, hash)
  end
end
if seen then
  local entry = redis.call('XRANGE', log, seen .. '-0', seen .. '-0')[1]
  if not entry then return {'dup', seen} end
  return {'dup', seen, entry[2][2], entry[2][8]}
end

local at = t[1] .. string.format('%03d', math.floor(t[2] / 1000))
redis.call('XADD', log, seq .. '-0', 'at', at, 'by', by, 'key', key, 'h', head, 'b', body)
redis.call('HSET', session, 'seq', seq, 'last', at)
if #counts > 0 then redis.call('HSET', unread, unpack(counts)) end
redis.call('APPEND', authors, author(tonumber(s[3] or (by == 'h:bot' and BOT or HOST)), note))
redis.call('ZADD', dirty, 'NX', at, id)
--#hooks if redis.call('ZADD', hooks, 'NX', at, id) == 1 then redis.call('HSETNX', session, 'hooked', 2 * s[2]) end
redis.call('PUBLISH', session, table.concat({'M' .. seq, at, by, kind, origin, key,
  table.concat(counts, '\30'), head, body}, '\31'))
local staff, bot = string.sub(by, 1, 2) == 'a:', bots == '1'
if (staff or bot) and not note and not s[bot and 6 or 5] then -- the first that the user hears from people, or from bots
  local stats = counted
  --#include stats
  local f = redis.call('HMGET', session, 'queue', 'created', 'reopened', 'awaited')
  redis.call('HSET', session, bot and 'bot_replied' or 'replied', at)
  tally(tonumber(at), f[1], staff)
  took(bot and 'R' or 'r', staff and string.sub(by, 3) or '', at - (bot and f[3] or not bot and f[4] or f[2]))
end
if state == 'ending' and string.sub(by, 1, 2) == 'u:' then
  redis.call('HSET', session, 'state', 'serving')
  --#include states
  local filed = redis.call('HMGET', session, 'created', 'queue')
  local states = counted
  refile(states, id, filed[1], state, filed[2], 'serving', filed[2])
  redis.call('HINCRBY', session, 'rev', 1)
  redis.call('HDEL', session, 'ending_due', 'ending_by', 'reason')
  redis.call('ZREM', timers, 'end|' .. id)
  --#include snapshot
  redis.call('PUBLISH', session, 'S' .. cjson.encode({said = {}, snap = snapshot()}))
end
return {'ok', seq, at}
