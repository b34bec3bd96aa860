-- file: puts a session where it belongs in the list by state, whatever a version that did not keep that list left there.
-- KEYS  1 session 2 the partition's sessions by state
-- ARGV  1 session id 2 a member of that list that may be wrong, or ''
-- reply {'ok'}
-- holds it may be repeated, and run while others change the session.
--#include states
local s = redis.call('HMGET', KEYS[1], 'state', 'queue', 'created')
if ARGV[2] ~= '' then redis.call('ZREM', KEYS[2], ARGV[2]) end
if s[1] then refile(KEYS[2], ARGV[1], s[3], nil, nil, s[1], s[2]) end
return {'ok'}
