-- send: one message into the log, once.
-- KEYS  1 session 2 log 3 unread 4 read 5 authors 6 timers 7 dirty 8 keys 9 the user's rate, for agents' and bots' 10 statistics, for others' the sessions by state
-- ARGV  1 session id 2 by (participant, or h:… for a host) 3 hash of sender and key 4 key 5 head
--       6 body 7 'n' for a note, else 'm' 8 the sending connection 9 the seq it replies to, or 0
--       10 µs between two sends at the rate; 0: any rate; -1: nothing new, only a duplicate is answered 11 burst 12 '1' for a bot's
-- reply {'ok', seq, at} | {'dup', seq, at, head} | {'rate_limited', wait: ms} | {code, state}
-- holds seq has no gap; a key makes one message; unread of all others grows by one; a blocked user sends nothing new;
--       what is refused stores nothing, and a repeated key is answered all the same.
--#include unread rate
local id, by, note = ARGV[1], ARGV[2], ARGV[7] == 'n'
local s = redis.call('HMGET', KEYS[1], 'state', 'seq', 'c:' .. by, 'blocked', 'replied', 'bot_replied')
local state = s[1]
if not state then return {'not_found'} end
local unread, member, counts = redis.call('HGETALL', KEYS[3]), false, {}
for i = 1, #unread, 2 do
  local p = unread[i]
  if p == by then
    member = true
  elseif not (note and string.sub(p, 1, 2) == 'u:') then
    counts[#counts + 1], counts[#counts + 2] = p, string.format('%d', unread[i + 1] + 1)
  end
end
if not member and string.sub(by, 1, 2) == 'h:' then member = true end
if not member and not s[3] then return {'forbidden'} end

-- Numbers go on as strings: Redis would print each as a float each time it is used.
local seq = string.format('%d', s[2] + 1)
local t, interval = redis.call('TIME'), tonumber(ARGV[10])
local blocked = s[4] and string.sub(by, 1, 2) == 'u:' -- see block.lua
local seen = (not member or blocked or state == 'ended') and redis.call('HGET', KEYS[8], ARGV[3])
if not seen then
  if not member then return {'forbidden'} end
  if blocked then return {'blocked'} end
  if state == 'ended' then return {'ended'} end
  if ARGV[9] ~= '0' and tonumber(ARGV[9]) > tonumber(s[2]) then return {'bad_request', 'replyTo: no such message'} end
  local wait = interval > 0 and pass(KEYS[9], t[1] * 1000000 + t[2], interval, tonumber(ARGV[11])) or 0
  if wait > 0 or interval < 0 then
    seen = redis.call('HGET', KEYS[8], ARGV[3])
    if not seen then return {'rate_limited', math.ceil(wait / 1000)} end
  elseif redis.call('HSETNX', KEYS[8], ARGV[3], seq) == 0 then
    seen = redis.call('HGET', KEYS[8], ARGV[3])
  end
end
if seen then
  local entry = redis.call('XRANGE', KEYS[2], seen .. '-0', seen .. '-0')[1]
  if not entry then return {'dup', seen} end
  return {'dup', seen, entry[2][2], entry[2][8]}
end

local at = t[1] .. string.format('%03d', math.floor(t[2] / 1000))
redis.call('XADD', KEYS[2], seq .. '-0', 'at', at, 'by', by, 'key', ARGV[4], 'h', ARGV[5], 'b', ARGV[6])
redis.call('HSET', KEYS[1], 'seq', seq, 'last', at)
if #counts > 0 then redis.call('HSET', KEYS[3], unpack(counts)) end
redis.call('APPEND', KEYS[5], author(tonumber(s[3] or (by == 'h:bot' and 4 or 3)), note))
redis.call('ZADD', KEYS[7], 'NX', at, id)
--#hooks if redis.call('ZADD', KEYS[#KEYS], 'NX', at, id) == 1 then redis.call('HSETNX', KEYS[1], 'hooked', 2 * s[2]) end
redis.call('PUBLISH', KEYS[1], table.concat({'M' .. seq, at, by, ARGV[7], ARGV[8], ARGV[4],
  table.concat(counts, '\30'), ARGV[5], ARGV[6]}, '\31'))
local staff, bot = string.sub(by, 1, 2) == 'a:', ARGV[12] == '1'
if (staff or bot) and not note and not s[bot and 6 or 5] then -- the first that the user hears from people, or from bots
--#include stats
  local session = redis.call('HMGET', KEYS[1], 'queue', 'created', 'reopened', 'awaited')
  redis.call('HSET', KEYS[1], bot and 'bot_replied' or 'replied', at)
  tally(tonumber(at), session[1], staff)
  took(bot and 'R' or 'r', staff and string.sub(by, 3) or '', at - (bot and session[3] or not bot and session[4] or session[2]))
end
if state == 'ending' and string.sub(by, 1, 2) == 'u:' then
  redis.call('HSET', KEYS[1], 'state', 'serving')
--#include states
  local filed = redis.call('HMGET', KEYS[1], 'created', 'queue')
  refile(KEYS[10], id, filed[1], state, filed[2], 'serving', filed[2])
  redis.call('HINCRBY', KEYS[1], 'rev', 1)
  redis.call('HDEL', KEYS[1], 'ending_due', 'ending_by', 'reason')
  redis.call('ZREM', KEYS[6], 'end|' .. id)
  redis.call('PUBLISH', KEYS[1], 'S' .. cjson.encode({said = {}, snap = cjson.encode({
    s = redis.call('HGETALL', KEYS[1]), u = redis.call('HGETALL', KEYS[3]), r = redis.call('HGETALL', KEYS[4])})}))
end
return {'ok', seq, at}
