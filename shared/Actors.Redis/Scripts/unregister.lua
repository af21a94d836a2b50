-- KEYS: 6 directory, 7 the silo's index. ARGV: 3 grain, 4 silo, 5 activation, or empty for any. Returns how many were removed.
local entry = redis.call('HGET', KEYS[6], ARGV[3])
local silo, activation
if entry then
  silo, activation = string.match(entry, '^(%S+) (%S+)')
end
if silo ~= ARGV[4] then
  redis.call('SREM', KEYS[7], ARGV[3]) -- whatever holds the grain now, this silo does not
  return 0
end
if ARGV[5] ~= '' and activation ~= ARGV[5] then
  return 0
end
redis.call('HDEL', KEYS[6], ARGV[3])
redis.call('SREM', KEYS[7], ARGV[3])
return 1
