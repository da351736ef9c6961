-- The change stream. Entry ids are a count without gaps (`<n>-0`), so that a follower knows what it
-- missed. Kinds and payloads are decoded by change-records.ts, and written nowhere else.
local CHANGES_KEPT_MAX = 10000
local CHANGE_MEMBER = 1
local CHANGE_MEMBER_GONE = 2
local CHANGE_TOPIC = 3
local CHANGE_TOPIC_GONE = 4
local CHANGE_FILE = 5
local CHANGE_TOPICS_LOADED = 6
local CHANGE_GROUP = 7

local function append_change(stream_key, count_key, kind, payload)
  local number = string.format('%.0f', redis.call('INCR', count_key))
  redis.call('XADD', stream_key, 'MAXLEN', '~', CHANGES_KEPT_MAX, number .. '-0',
    'c', struct.pack('>B', kind) .. payload)
end
