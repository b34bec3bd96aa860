-- Everybody of the staff leaves: the session waits again, or anew.
--#include session seats places

-- vacate(): owner and assistants take no part any more, and have their places back. Who the owner was, the caller drops.
local function vacate()
  if s.agent then
    owe(s.agent, 'past', s.agent_res, false)
    exit(s.agent)
  end
  for _, id in ipairs(assistants()) do
    owe(id, 'past', '', false)
    exit(id)
    drop('as:' .. id)
  end
end
