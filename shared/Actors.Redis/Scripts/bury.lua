-- A member leaves, or is declared dead by hand. ARGV: 3 silo, 4 by whom. Returns 1, or 0 when it was not a member.
if not redis.call('ZSCORE', KEYS[3], ARGV[3]) then
  return 0
end
bury(ARGV[3], ARGV[4])
prune()
changed()
return 1
