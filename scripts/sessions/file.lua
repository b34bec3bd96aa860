-- file: puts a session where it belongs in the lists by state and by label, whatever a version that did not keep them left there.
-- KEYS: session, states, labelled
-- ARGV: id, suspect (a member of one of these lists that may be wrong, or '')
-- reply: {'ok'}
-- holds: it may be repeated, and run while others change the session.
--#include states labels
local s = redis.call('HMGET', session, 'state', 'queue', 'created')
if suspect ~= '' then
  redis.call('ZREM', states, suspect)
  redis.call('ZREM', labelled, suspect)
end
if s[1] then
  refile(states, id, s[3], nil, nil, s[1], s[2])
  relabel(labelled, id, s[3], redis.call('HKEYS', session))
end
return {'ok'}
