-- What transitions count. `owned` is since when
-- the owner has the session, `handled` and `bot_handled` what all people and bots before
-- had it, in ms; `awaited` since when people's first answer is, where that is not its opening.
-- bot: who takes it is one. What is of bots is counted apart, by capital letters.
-- ARGV: a = JSON (bot?)
--#include session places stats

-- await_people(): what they say next is their first answer.
local function await_people()
  set.awaited = at
  drop('replied')
end

-- owner_came(agent), owner_left(): the owner changes now.
local function owner_came(agent)
  set.owned = at
  serves(s.queue, agent, 1)
end

local function of_bot() return s.owned and (s.bot_owns or '') ~= '' end

local function owner_left()
  if not s.owned then return end
  local bot = of_bot()
  local field = bot and 'bot_handled' or 'handled'
  took(bot and 'O' or 'o', s.agent, at - s.owned)
  set[field] = (s[field] or 0) + at - s.owned
  serves(s.queue, s.agent, -1)
  drop('owned')
end

-- count_opened(queue, known)
local function count_opened(queue, known)
  tally(at, queue, known)
  bump('opened')
end

-- count_taken(agent): an agent becomes the owner of what waited or was another's.
local function count_taken(agent)
  tally(at, s.queue, true)
  if of_bot() and not a.bot then await_people() end
  if s.agent then
    owner_left()
    bump('transferred', s.agent)
    bump('accepted', agent)
  else
    bump('grabbed', agent)
    took(a.bot and 'W' or 'w', agent, at - s.waiting_since)
  end
  owner_came(agent)
end

-- count_moved(metric): it waits again, or elsewhere; transferred or requeued.
local function count_moved(metric)
  tally(at, s.queue, s.agent)
  if of_bot() then await_people() end
  owner_left()
  bump(metric, s.agent)
end

-- count_ended(abandoned): abandoned where its user has been away for too long.
local function count_ended(abandoned)
  tally(at, s.queue, s.agent)
  owner_left()
  bump('ended', s.agent)
  if s.state == 'waiting' then bump('unanswered') end
  if abandoned then bump('abandoned') end
  for field, metric in pairs({handled = 'h', bot_handled = 'H'}) do
    local handled = set[field] or s[field]
    if handled then took(metric, '', handled) end
    set[field] = nil
    drop(field)
  end
end

-- rated(score): the user's opinion of the session, for the agent who had it last.
local function rated(score)
  tally(at, s.queue, s.agent)
  bump(string.format('rating.%d', score), s.agent)
end
