-- file: puts a session where it belongs in the list by state, whatever a version that did not keep that list left there.
-- KEYS: session, states
-- ARGV: id, suspect (a member of that list that may be wrong, or '')
-- reply: {'ok'}
-- holds: it may be repeated, and run while others change the session.
--#include states
local s = redis.call('HMGET', session, 'state', 'queue', 'created')
if suspect ~= '' then redis.call('ZREM', states, suspect) end
if s[1] then refile(states, id, s[3], nil, nil, s[1], s[2]) end
return {'ok'}
