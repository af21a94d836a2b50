-- kind (b, m), index, id, fingerprint of what was seen, a name, milliseconds to keep, most to keep  ->  1 put aside | 0 it is another or gone
local kind, index, id, seen, name, keep, most = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], tonumber(ARGV[7])
local type = typeOf(kind, id)
if type == 'none' then
  redis.call('ZREM', prefix .. index, id)
  return { 0, counts() }
end
local found = type
if type == 'string' and kind == 'b' then
  found = redis.sha1hex(redis.call('GETRANGE', key(kind, id), 0, HEAD - 1))
elseif type == 'hash' and kind ~= 'b' then
  found = redis.sha1hex(redis.call('HGET', key(kind, id), 'r') or '')
end
if seen ~= found and not (seen == '' and found == type) then
  return { 0, counts() }
end
local bytes, names = measure(kind, id)
redis.call('ZREM', prefix .. index, id)
for _, part in ipairs(names) do
  if part ~= key(kind, id) then
    redis.call('PEXPIRE', part, keep)
  end
end
local aside = key('q', name)
redis.call('RENAME', key(kind, id), aside)
redis.call('PEXPIRE', aside, keep)
redis.call('LPUSH', prefix .. 'quarantine', aside)
while redis.call('LLEN', prefix .. 'quarantine') > most do
  redis.call('UNLINK', redis.call('RPOP', prefix .. 'quarantine'))
end
grow(-bytes)
return { 1, counts() }
