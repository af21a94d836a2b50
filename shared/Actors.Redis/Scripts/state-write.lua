-- KEYS: 1 the state. ARGV: 1 the version that is expected, or empty for none, 2 the next version, 3 bytes, 4 how long it stays in ms, or 0 for ever
-- Returns nothing, or the version that is there instead of the expected one.
local found = redis.call('HGET', KEYS[1], 'etag') or ''
if found ~= ARGV[1] and found ~= ARGV[2] then -- the second: this very write, asked again since its answer was lost
  return found
end
redis.call('HSET', KEYS[1], 'etag', ARGV[2], 'data', ARGV[3])
if ARGV[4] ~= '0' then
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
return false
