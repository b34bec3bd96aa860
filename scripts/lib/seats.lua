-- Who takes part. For transitions, after session.

-- code(agent): what stands for the agent in `authors`.
local function code(agent)
  local p = 'c:a:' .. agent
  local known = tonumber(s[p] or set[p])
  if known then return known end
  local fresh = tonumber(set.codes or s.codes or 16)
  set[p], set.codes = fresh, fresh + 1
  return fresh
end

-- enter(agent): a new participant starts with mark 0; one who is in keeps its mark.
local function enter(agent)
  local p = 'a:' .. agent
  if redis.call('HEXISTS', KEYS[3], p) == 1 then return end
  redis.call('HSET', KEYS[3], p, count(KEYS[5], 1, seq, code(agent), false))
  redis.call('HSET', KEYS[4], p, 0)
end

-- exit(agent): no participant any more.
local function exit(agent)
  redis.call('HDEL', KEYS[3], 'a:' .. agent)
  redis.call('HDEL', KEYS[4], 'a:' .. agent)
end

-- assistants(): the ids of those who joined.
local function assistants()
  local ids = {}
  for f in pairs(s) do
    if string.sub(f, 1, 3) == 'as:' then ids[#ids + 1] = string.sub(f, 4) end
  end
  return ids
end
