-- Removes one portion of a dead silo's entries. The dead register nothing, so its index only shrinks.
-- KEYS: 6 directory, 7 the silo's index. ARGV: 3 silo, 4 how many. Returns {how many are left, how many were removed}; left is -1 when the silo lives.
if is_alive(ARGV[3]) then
  return {-1, 0}
end
local removed = 0
for _, grain in ipairs(redis.call('SPOP', KEYS[7], ARGV[4])) do
  local entry = redis.call('HGET', KEYS[6], grain)
  if entry and string.match(entry, '^%S+') == ARGV[3] then -- another silo may have taken it over
    redis.call('HDEL', KEYS[6], grain)
    removed = removed + 1
  end
end
local left = redis.call('SCARD', KEYS[7])
if left == 0 then
  redis.call('SREM', KEYS[5], ARGV[3])
end
return {left, removed}
