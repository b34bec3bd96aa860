-- How borrowed work ends, whoever lent it (lease.lua).

-- still_lent(work, member, lease): whether nobody has set it anew, or borrowed it, since it was lent with that score.
local function still_lent(work, member, lease)
  return tonumber(redis.call('ZSCORE', work, member) or 0) == tonumber(lease)
end

-- returned(work, member, lease, again, late): it is done, or due again at that time ('' for done). Where it is not lent
-- any more as it was, somebody else has it, or will: its time stays. lease '': it was never lent. late, if there is one,
-- forgets it.
local function returned(work, member, lease, again, late)
  if late then redis.call('ZREM', late, member) end
  if lease ~= '' and not still_lent(work, member, lease) then return end
  if again ~= '' then
    redis.call('ZADD', work, again, member)
  else
    redis.call('ZREM', work, member)
  end
end
