-- The server's replication id. It is another one after a restart, a failover and a wipe, that is,
-- whenever Redis may have forgotten or gone back in time.
local function replication_id()
  return redis.call('INFO', 'replication'):match('master_replid:(%x+)')
end
