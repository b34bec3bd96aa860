-- collect: hands the sessions of which the archive (or a hook) lacks something to one node for a while; a crash gives them back.
--#flags allow-oom
-- KEYS: work = dirty|hooks, late = late|hooks_late, leases
-- ARGV: a = JSON (borrower, call, ack (as in lib/lease.lua), limit, lease (ms), delay (how long the first change must be ago: ms))
-- reply: {now, lease, {member, since when, …}}
-- holds: what is handed out has the score `lease` and is nobody else's before; how late it is stays known.
--#include time lease
local at = now()
local lease, again = lend(leases, a.borrower, a.call, a.ack, a.lease, {work})
return {at, lease or '', handed(work, lease, again, a.limit, a.delay, late)}
