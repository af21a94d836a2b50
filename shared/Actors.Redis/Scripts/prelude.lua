-- Goes before every other script. All keys share one hash tag, the cluster.
-- KEYS: 1 cluster (version, epoch, run, since), 2 members (silo -> row), 3 leases (silo by expiry, ms),
--       4 dead (silo by time of death, ms), 5 sweep (dead silos whose directory entries remain)
-- ARGV: 1 channel of changes, 2 how long dead rows stay, ms
local MOST_DEAD = 64

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

-- Since when this Redis process answers. Another process (a restart, a fail-over) starts anew,
-- so that each silo has one lease of time to renew before it can be found dead.
local function since()
  local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
  local known = redis.call('HMGET', KEYS[1], 'run', 'since')
  if known[1] == run then
    return tonumber(known[2])
  end
  redis.call('HSET', KEYS[1], 'run', run, 'since', now)
  return now
end

local function row_of(silo)
  local text = redis.call('HGET', KEYS[2], silo)
  return text and cjson.decode(text)
end

-- Members have a lease; the dead have none.
local function is_alive(silo)
  local expiry = redis.call('ZSCORE', KEYS[3], silo)
  if not expiry then
    return false
  end
  if tonumber(expiry) > now then
    return true
  end
  local row = row_of(silo)
  return row and now < since() + row.lease
end

-- Counts on from the time when there is no count: also after Redis has lost its data, what is counted grows.
local function next_of(counter)
  if redis.call('HEXISTS', KEYS[1], counter) == 0 then
    redis.call('HSET', KEYS[1], counter, now)
  end
  return redis.call('HINCRBY', KEYS[1], counter, 1)
end

local function changed()
  local version = next_of('version')
  redis.call('PUBLISH', ARGV[1], version)
  return version
end

local function forget(silo)
  if redis.call('SISMEMBER', KEYS[5], silo) == 0 then
    redis.call('HDEL', KEYS[2], silo)
    redis.call('ZREM', KEYS[4], silo)
  end
end

-- Drops rows of the dead that are old or too many, once nothing of theirs is in the directory.
local function prune()
  for _, silo in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', now - tonumber(ARGV[2]), 'LIMIT', 0, 64)) do
    forget(silo)
  end
  local excess = redis.call('ZCARD', KEYS[4]) - MOST_DEAD
  if excess > 0 then
    for _, silo in ipairs(redis.call('ZRANGE', KEYS[4], 0, excess - 1)) do
      forget(silo)
    end
  end
end

local function bury(silo, by)
  local row = row_of(silo)
  redis.call('ZREM', KEYS[3], silo)
  if not row then
    return
  end
  row.status = 6
  row.died = now
  row.by = by
  redis.call('HSET', KEYS[2], silo, cjson.encode(row))
  redis.call('ZADD', KEYS[4], now, silo)
  redis.call('SADD', KEYS[5], silo)
end
