-- share: which groups of queues this node assigns in, for a while. Only efficiency rests on it.
--#flags allow-oom
-- KEYS: dispatchers
-- ARGV: node, ms = number (for how long, 0 to let go of all), groups = number (how many there are)
-- reply: {group…}, counted from 1
-- holds: a group is one node's at a time; whose time is over has none; of those who ask none has more than its share,
--   and each takes what it lacks from who has too much, so that no group is without a node meanwhile.
--#include time
local at, heard, of = now(), {}, {}
local function mark(n) return 'node|' .. n end
local held = redis.call('HGETALL', dispatchers)
for i = 1, #held, 2 do
  local who = string.match(held[i], '^node|(.*)$')
  if not who then
    of[tonumber(held[i])] = held[i + 1]
  elseif tonumber(held[i + 1]) > at and who ~= node then
    heard[who] = 0
  else
    redis.call('HDEL', dispatchers, held[i])
  end
end
local nodes = 0
for _ in pairs(heard) do nodes = nodes + 1 end
local own = 0
for g = 1, groups do
  local who = of[g]
  if who == node then own = own + 1 elseif heard[who] then heard[who] = heard[who] + 1 end
end
if ms == 0 then
  for g = 1, groups do if of[g] == node then redis.call('HDEL', dispatchers, g) end end
  return {}
end
redis.call('HSET', dispatchers, mark(node), string.format('%d', at + ms))
local least, most = math.floor(groups / (nodes + 1)), math.ceil(groups / (nodes + 1))
for g = 1, groups do
  local who = of[g]
  local theirs = heard[who] -- how many, of a node that is there
  local free = who ~= node and not theirs
  if free and own < most or theirs and (own < least and theirs > least or own < most and theirs > most) then
    if theirs then heard[who] = theirs - 1 end
    redis.call('HSET', dispatchers, g, node)
    of[g], own = node, own + 1
  end
end
redis.call('PEXPIRE', dispatchers, ms)
local mine = {}
for g = 1, groups do if of[g] == node then mine[#mine + 1] = g end end
return mine
