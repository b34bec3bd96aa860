-- clock: what time it is for a partition.
--#flags no-writes
-- KEYS  1 any key of it
-- reply ms
--#include time
return now()
