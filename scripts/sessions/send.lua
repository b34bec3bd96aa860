-- send: messages into their sessions' logs, each once: those of concurrent callers in one partition go together.
-- KEYS: timers, dirty, states, stats, hooks?
-- EACH KEYS: session, log, unread, read, authors, keys, rate (the user's)
-- ARGV: none
-- EACH ARGV: id, by (participant, or h:… for a host), hash (of sender and key), key, head, body, kind ('n' for a note, else 'm'),
--   origin (the sending connection), reply_to (seq, or 0), interval = number (µs between two sends at the rate; 0: any rate;
--   -1: nothing new, only a duplicate is answered), burst = number, bots ('1' for a bot's), op (the last transition that its
--   node knows of, if `by` takes part since; else ''), other (the only one besides who may see it then, or ''),
--   trace (the span that its deliveries are of, as traceparent has it; '' where it is not sampled)
-- reply: for each {'ok', seq, at} | {'dup', seq, at, head} | {'rate_limited', wait: ms} | {code, state} | {'error', why}
-- holds: seq has no gap; a key makes one message; unread of all others grows by one; a blocked user sends nothing new;
--   what is refused stores nothing, and a repeated key is answered all the same.
--#include unread rate repeated audience
local call, sub, format = redis.call, string.sub, string.format
local t = call('TIME')
local at = t[1] .. format('%03d', math.floor(t[2] / 1000))
local dirtied = {}
--#each
local note, who = kind == 'n', sub(by, 1, 2)
local s = call('HMGET', session, 'state', 'seq', 'ops', 'c:' .. by,
  who == 'u:' and 'blocked' or bots == '1' and 'bot_replied' or 'replied')
local state = s[1]
if not state then return {'not_found'} end
-- Who takes part changes by transitions only, so where there was none since, the node knows it.
local known = op ~= '' and s[3] and sub(s[3], 1, #op + 1) == op .. ','
local member, counts = known, {}
if not known then
  member, counts = audience(unread, by, note)
  if not member and not s[4] then return {'forbidden'} end
end

-- Numbers go on as strings: Redis would print each as a float each time it is used.
local seq = format('%d', s[2] + 1)
local blocked = who == 'u:' and s[5] -- see block.lua
local seen = (not member or blocked or state == 'ended') and call('HGET', keys, hash)
if not seen then
  if not member then return {'forbidden'} end
  if blocked then return {'blocked'} end
  if state == 'ended' then return {'ended'} end
  if reply_to ~= '0' and tonumber(reply_to) > tonumber(s[2]) then return {'bad_request', 'replyTo: no such message'} end
  local wait = interval > 0 and pass(rate, t[1] * 1000000 + t[2], interval, burst) or 0
  if wait > 0 or interval < 0 then
    seen = call('HGET', keys, hash)
    if not seen then return {'rate_limited', math.ceil(wait / 1000)} end
  elseif call('HSETNX', keys, hash, seq) == 0 then
    seen = call('HGET', keys, hash)
  end
end
if seen then return repeated(log, seen) end

dirtied[#dirtied + 1], dirtied[#dirtied + 2] = at, id -- first: what fails in the middle is the archiver's to look at
call('XADD', log, seq .. '-0', 'at', at, 'by', by, 'key', key, 'h', head, 'b', body)
call('HSET', session, 'seq', seq, 'last', at)
if not known then
  if #counts > 0 then call('HSET', unread, unpack(counts)) end
elseif other ~= '' then
  counts[1], counts[2] = other, call('HINCRBY', unread, other, 1)
end
call('APPEND', authors, author(tonumber(s[4] or (by == 'h:bot' and BOT or HOST)), note))
--#hooks if call('ZADD', hooks, 'NX', at, id) == 1 then call('HSETNX', session, 'hooked', 2 * s[2]) end
if trace ~= '' then counts[#counts + 1] = trace end -- one more than pairs
call('PUBLISH', session, table.concat({'M' .. seq, at, by, kind, origin, key, table.concat(counts, '\30'), head, body}, '\31'))
local staff, bot = who == 'a:', bots == '1'
if (staff or bot) and not note and not s[5] then
  --#include heard
  heard(at, by, staff, bot)
end
if state == 'ending' and who == 'u:' then
  --#include resume
  resume()
end
return {'ok', seq, at}
--#end
if #dirtied > 0 then call('ZADD', dirty, 'NX', unpack(dirtied)) end
