-- Renews a lease, if there is one to renew, and declares dead whose lease has expired.
-- ARGV: 3 silo that renews, or empty, 4 lease in ms, 5 who asks
-- Returns {renewed, version, ms to the first expiry or -1, a silo to sweep or '', refusal, silo, ms late, silo, ms late, ...}
local renewed = 0
local refusal = ''
if ARGV[3] ~= '' then
  if is_alive(ARGV[3]) then
    redis.call('ZADD', KEYS[3], now + tonumber(ARGV[4]), ARGV[3])
    since()
    renewed = 1
  else
    local row = row_of(ARGV[3])
    if not row then
      refusal = 'it has no row'
    elseif row.status == 6 then
      refusal = 'declared dead by ' .. row.by
    else
      refusal = 'its lease has expired'
    end
  end
end

local found = {}
for _, silo in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now)) do
  if not is_alive(silo) then
    found[#found + 1] = silo
    found[#found + 1] = now - tonumber(redis.call('ZSCORE', KEYS[3], silo))
    bury(silo, ARGV[5])
  end
end

local before = redis.call('ZCARD', KEYS[4])
prune()
local version
if #found > 0 or redis.call('ZCARD', KEYS[4]) ~= before then
  version = changed()
else
  version = tonumber(redis.call('HGET', KEYS[1], 'version') or 0)
end

local first = redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')
local wait = first[2] and math.max(0, tonumber(first[2]) - now) or -1
return {renewed, version, wait, redis.call('SRANDMEMBER', KEYS[5]) or '', refusal, unpack(found)}
