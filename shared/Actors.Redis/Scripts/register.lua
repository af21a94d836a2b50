-- KEYS: 6 directory, 7 the silo's own index, 8 the index of the silo whose entry is to be replaced.
-- ARGV: 3 grain, 4 silo, 5 entry, and, when an entry is to be replaced, 6 its silo, 7 its activation or empty for any
-- Returns the entry that holds now, or nothing when the silo is not a member.
if not is_alive(ARGV[4]) then
  return false
end
local entry = redis.call('HGET', KEYS[6], ARGV[3])
if entry then
  local silo, activation = string.match(entry, '^(%S+) (%S+)')
  local replaced = silo == ARGV[6] and (ARGV[7] == '' or ARGV[7] == activation)
  if not replaced and is_alive(silo) then
    return entry
  end
  if replaced and silo ~= ARGV[4] then
    redis.call('SREM', KEYS[8], ARGV[3])
  end
end
redis.call('HSET', KEYS[6], ARGV[3], ARGV[5])
redis.call('SADD', KEYS[7], ARGV[3])
return ARGV[5]
