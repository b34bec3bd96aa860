-- forget_later(profile, keep): a user's profile is only of use for a while after the user was here, or had
-- a session, unless it says what must never be forgotten: that the user is blocked, or that
-- tokens were revoked. Connecting makes it stay; keep is in ms, 0 for ever.
local function forget_later(profile, keep)
  local says = redis.call('HMGET', profile, 'blocked', 'revoked', 'generation')
  if keep > 0 and not (says[1] or says[2] or says[3]) then redis.call('PEXPIRE', profile, keep) end
end
