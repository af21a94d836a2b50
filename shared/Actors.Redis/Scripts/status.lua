-- ARGV: 3 silo, 4 status. Returns the version, or 0 when the silo is not a member.
if not is_alive(ARGV[3]) then
  return 0
end
local row = row_of(ARGV[3])
row.status = tonumber(ARGV[4])
redis.call('HSET', KEYS[2], ARGV[3], cjson.encode(row))
return changed()
