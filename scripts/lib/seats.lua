-- Who takes part.
-- KEYS: unread, read, authors
--#include session unread

-- Two things are kept of an agent for ever: `c:a:<A>`, its code, once it has written or taken part, and
-- `m:a:<A>`, whether it took part (1) or only wrote, as whoever declines with a reason does (0). Only
-- those who took part may read. Earlier versions wrote no `m:`: the node finds out (see enrol.lua).

-- code(agent): what stands for the agent in `authors`.
local function code(agent)
  local p = 'c:a:' .. agent
  local known = tonumber(s[p] or set[p])
  if known then return known end
  local fresh = tonumber(set.codes or s.codes or FIRST_AGENT)
  set[p], set.codes = fresh, fresh + 1
  set['m:a:' .. agent] = 0
  return fresh
end

-- took_part(agent): takes part now, or did.
local function took_part(agent)
  return s['m:a:' .. agent] == '1' or redis.call('HEXISTS', unread, 'a:' .. agent) == 1
end

-- enter(agent): a new participant starts with mark 0; one who is in keeps its mark.
local function enter(agent)
  local p, m = 'a:' .. agent, 'm:a:' .. agent
  local own = code(agent)
  if s[m] ~= '1' then
    -- The archive hears of agents when there are new codes.
    if s['c:' .. p] then set.codes = (set.codes or s.codes or FIRST_AGENT) + 1 end
    set[m] = 1
  end
  if redis.call('HEXISTS', unread, p) == 1 then return end
  redis.call('HSET', unread, p, count(authors, 1, seq, own, false))
  redis.call('HSET', read, p, 0)
end

-- exit(agent): no participant any more.
local function exit(agent)
  if s['m:a:' .. agent] ~= '1' then set['m:a:' .. agent] = 1 end
  redis.call('HDEL', unread, 'a:' .. agent)
  redis.call('HDEL', read, 'a:' .. agent)
end

-- assistants(): the ids of those who joined.
local function assistants()
  local ids = {}
  for f in pairs(s) do
    if string.sub(f, 1, 3) == 'as:' then ids[#ids + 1] = string.sub(f, 4) end
  end
  return ids
end
