-- What every script begins with. KEYS[1] is the prefix of all keys, with the hash tag that keeps them in one slot.
local prefix = KEYS[1]

local function key(kind, id)
  return prefix .. kind .. ':' .. id
end

-- The indexes: a sorted set a kind, id -> last use in Unix milliseconds. A use never moves back.
local function touch(index, id, now)
  redis.call('ZADD', prefix .. index, 'GT', now, id)
end

-- While a sweep runs, what writers refer to is noted, and the sweep takes it in before it deletes anything.
-- Too many notes end the sweep: it cannot delete without its lease.
local function note(kind, id)
  if id ~= '' and redis.call('EXISTS', prefix .. 'sweep') == 1 then
    if redis.call('RPUSH', prefix .. 'notes', kind .. id) > 1000000 then
      redis.call('DEL', prefix .. 'sweep', prefix .. 'notes')
    end
  end
end

local function grow(bytes)
  if bytes ~= 0 then
    redis.call('INCRBY', prefix .. 'bytes', bytes)
  end
end

-- What a call's answer ends with: the server's time in microseconds (answers overtake each other), bytes, blobs, checkpoints, turns, sessions.
local function counts()
  local time = redis.call('TIME')
  return {
    time[1] * 1000000 + time[2], tonumber(redis.call('GET', prefix .. 'bytes') or '0'),
    redis.call('ZCARD', prefix .. 'blobs'), redis.call('ZCARD', prefix .. 'checkpoints'),
    redis.call('ZCARD', prefix .. 'turns'), redis.call('ZCARD', prefix .. 'sessions') }
end

local function typeOf(kind, id)
  return redis.call('TYPE', key(kind, id)).ok
end

-- A blob's value: 104 bytes of header; then 16 hex digits that name the write, 8 of a chunk's bytes, 8 of the number of chunks;
-- then the content, when there are no chunks.
local HEAD = 136

-- Bytes of content that are there, and the names of the chunks that are: with what the head says, they show every loss.
local function content(id, head, length)
  local size = tonumber(string.sub(head, 121, 128), 16)
  local chunks = tonumber(string.sub(head, 129, 136), 16)
  if not size or not chunks or chunks == 0 or chunks > 65536 then
    return math.max(0, length - HEAD), {}
  end
  local names, total = {}, 0
  for i = 0, chunks - 1 do
    local part = id .. ':' .. string.sub(head, 105, 120) .. ':' .. i
    local type = typeOf('c', part)
    if type == 'string' then
      total = total + redis.call('STRLEN', key('c', part))
    end
    if type ~= 'none' then
      names[#names + 1] = key('c', part)
    end
  end
  return total, names
end

-- A blob that is whole in one value comes by a plain SET that expires, so that one whose writer dies is not lost sight of.
-- Whoever finds it makes it stay, counted and indexed. A full server still says what it has.
local function confirm(id, now)
  if redis.call('PERSIST', key('b', id)) == 1 then
    grow(redis.call('STRLEN', key('b', id)))
  end
  redis.pcall('ZADD', prefix .. 'blobs', 'GT', now, id)
end

local function unlink(names)
  for i = 1, #names, 1000 do
    redis.call('UNLINK', unpack(names, i, math.min(i + 999, #names)))
  end
end

-- Bytes that a stored thing is counted with, and the keys that it consists of.
local function measure(kind, id)
  local name = key(kind, id)
  if kind == 'b' and typeOf(kind, id) == 'string' then
    local length = redis.call('STRLEN', name)
    local head = redis.call('GETRANGE', name, 0, HEAD - 1)
    local bytes, names = content(id, head, length)
    if #names > 0 then
      local said = struct.unpack('<I8', head, 33) -- it was counted whole, whatever is missing now
      bytes = said <= 2147483647 and said or bytes
    end
    names[#names + 1] = name
    return bytes + HEAD, names
  end
  if typeOf(kind, id) == 'hash' then
    return redis.call('HSTRLEN', name, 'r') + redis.call('HSTRLEN', name, 'b'), { name }
  end
  return 0, { name }
end
