-- A member leaves, or is declared dead before its lease has ended. ARGV: 3 silo, 4 by whom, 5 the status that it has to have, or 0
-- Returns 1, or 0 when it was not a member, or had another status.
if not redis.call('ZSCORE', KEYS[3], ARGV[3]) then
  return 0
end
local needed = tonumber(ARGV[5])
if needed > 0 and (row_of(ARGV[3]) or {}).status ~= needed then
  return 0
end
bury(ARGV[3], ARGV[4])
prune()
changed()
return 1
