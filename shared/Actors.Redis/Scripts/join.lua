-- ARGV: 3 silo, 4 row, 5 lease in ms, 6 endpoint with '@' at its end
-- Returns {epoch, version}; {0, version, row} when this address has been a member before.
local row = cjson.decode(ARGV[4])
local known = row_of(ARGV[3])
if known then
  -- The same life asks again: the answer to its first question was lost.
  if known.nonce == row.nonce and known.status ~= 6 then
    return {known.epoch, tonumber(redis.call('HGET', KEYS[1], 'version'))}
  end
  return {0, tonumber(redis.call('HGET', KEYS[1], 'version') or 0), cjson.encode(known)}
end

-- An endpoint has one listener: whoever was there before is gone.
for _, silo in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
  if string.sub(silo, 1, #ARGV[6]) == ARGV[6] then
    bury(silo, ARGV[3])
  end
end

since()
row.epoch = next_of('epoch')
redis.call('HSET', KEYS[2], ARGV[3], cjson.encode(row))
redis.call('ZADD', KEYS[3], now + tonumber(ARGV[5]), ARGV[3])
prune()
return {row.epoch, changed()}
