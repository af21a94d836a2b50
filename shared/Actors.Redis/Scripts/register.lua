-- KEYS: 6 directory, 7 the silo's own index. ARGV: 3 grain, 4 silo, 5 entry
-- Returns the entry that holds now, or nothing when the silo is not a member.
if not is_alive(ARGV[4]) then
  return false
end
local entry = redis.call('HGET', KEYS[6], ARGV[3])
if entry and is_alive(string.match(entry, '^%S+')) then
  return entry
end
redis.call('HSET', KEYS[6], ARGV[3], ARGV[5])
redis.call('SADD', KEYS[7], ARGV[3])
return ARGV[5]
