-- Returns {version, silo, row, silo, row, ...}
local rows = redis.call('HGETALL', KEYS[2])
return {tonumber(redis.call('HGET', KEYS[1], 'version') or 0), unpack(rows)}
