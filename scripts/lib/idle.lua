-- notice(limit): how long before the end of a session in which nobody writes all are warned: ms.
local NOTICE = 60000
local function notice(limit) return math.min(NOTICE, math.floor(limit / 2)) end
