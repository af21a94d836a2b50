-- id, head, bytes of content, now, most bytes or 0: a blob whose content is in pieces
-- ->  1 put | 0 there is one | -1 a piece is missing | -2 full
local id, head, bytes, now, most = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
if redis.call('EXISTS', key('b', id)) == 1 then
  -- This very write, asked again since its answer was lost, or another's.
  local own = typeOf('b', id) == 'string' and redis.call('GETRANGE', key('b', id), 0, HEAD - 1) == head
  return { own and 1 or 0, counts() }
end
if most > 0 and tonumber(redis.call('GET', prefix .. 'bytes') or '0') + bytes + HEAD > most then
  return { -2, counts() }
end
local found, names = content(id, head, #head)
if found ~= bytes then
  return { -1, counts() }
end
redis.call('SET', key('b', id), head)
for _, name in ipairs(names) do
  redis.call('PERSIST', name)
end
touch('blobs', id, now)
grow(bytes + HEAD)
return { 1, counts() }
