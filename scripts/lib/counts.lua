-- What transitions count. After session, places and stats. `owned` is since when
-- the owner has the session, `handled` what all owners before had it, in ms.

-- owner_came(agent), owner_left(): the owner changes now.
local function owner_came(agent)
  set.owned = at
  serves(s.queue, agent, 1)
end

local function owner_left()
  if not s.owned then return end
  took('o', s.agent, at - s.owned)
  set.handled = (s.handled or 0) + at - s.owned
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
  if s.agent then
    owner_left()
    bump('transferred', s.agent)
    bump('accepted', agent)
  else
    bump('grabbed', agent)
    took('w', agent, at - s.waiting_since)
  end
  owner_came(agent)
end

-- count_moved(metric): it waits again, or elsewhere; transferred or requeued.
local function count_moved(metric)
  tally(at, s.queue, s.agent)
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
  local handled = set.handled or s.handled
  if handled then took('h', '', handled) end
  set.handled = nil
  drop('handled')
end

-- rated(score): the user's opinion of the session, for the agent who had it last.
local function rated(score)
  tally(at, s.queue, s.agent)
  bump(string.format('rating.%d', score), s.agent)
end
