-- id, value, bytes of content, now, most bytes or 0  ->  1 put | 0 there, with head and bytes of content | -1 a chunk is missing | -2 full
local id, value, bytes, now, most = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local kind = typeOf('b', id)
if kind ~= 'none' and kind ~= 'string' then
  return { 0, kind, -1, counts() }
end
local there = redis.call('GETRANGE', key('b', id), 0, HEAD - 1)
if there ~= '' then
  local found = content(id, there, redis.call('STRLEN', key('b', id)))
  touch('blobs', id, now)
  return { 0, there, found, counts() }
end
if most > 0 and tonumber(redis.call('GET', prefix .. 'bytes') or '0') + bytes + HEAD > most then
  return { -2, '', 0, counts() }
end
local found, names = content(id, value, #value)
if found ~= bytes then
  return { -1, '', found, counts() }
end
redis.call('SET', key('b', id), value)
for _, name in ipairs(names) do
  redis.call('PERSIST', name)
end
touch('blobs', id, now)
grow(bytes + HEAD)
return { 1, '', bytes, counts() }
