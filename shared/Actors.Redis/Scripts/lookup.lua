-- KEYS: 6 directory. ARGV: 3 grain. Returns its entry, or nothing; an entry of a silo that is gone is nothing.
local entry = redis.call('HGET', KEYS[6], ARGV[3])
return entry and is_alive(string.match(entry, '^%S+')) and entry
