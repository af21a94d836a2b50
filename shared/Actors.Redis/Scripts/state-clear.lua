-- KEYS: 1 the state. ARGV: 1 the version that is expected, or empty for none, 2 the next version, or empty when nothing is to stay
-- Returns {nothing, or the version that is there instead of the expected one; the version from here on}
local found = redis.call('HGET', KEYS[1], 'etag')
if not found then
  return {false, false}
end
if found ~= ARGV[1] and found ~= ARGV[2] then
  return {found, found}
end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
  return {false, false}
end
redis.call('HDEL', KEYS[1], 'data')
redis.call('HSET', KEYS[1], 'etag', ARGV[2])
return {false, ARGV[2]}
