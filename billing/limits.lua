-- One step of one call over all its limits, all or nothing; what it decides is written out in limits.py.
-- KEYS: a bucket ("used at") or the slots (request -> end of its lease) per demand
-- ARGV: verb, now, request, lease, then for each key: kind, limit, amount (to renew: the request)
-- Numbers are doubles: exact below 2^53, and written with %.0f because tostring() keeps 14 digits only.
local MINUTE, AHEAD, SLOT_RETRY, MOST_USED, NEVER, SLACK = 60000, 10000, 1000, 4503599627370496, -1, 60000
local verb, now, request, lease = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])

local function demand(i)
  return ARGV[2 + 3 * i] == 'parallel', tonumber(ARGV[3 + 3 * i]), tonumber(ARGV[4 + 3 * i])
end

local function drained(key, limit)
  local used, at = string.match(redis.call('GET', key) or '0 0', '^(%d+) (%d+)$')
  used, at = tonumber(used), tonumber(at)
  local left = math.max(0, used - math.max(0, now - at) * limit)
  if now < at and at <= now + AHEAD then return left, at end
  return left, now
end

local function write(key, limit, used, at)
  if used == 0 then return redis.call('DEL', key) end
  redis.call('SET', key, string.format('%.0f %.0f', used, at),
    'PX', string.format('%.0f', math.ceil(used / limit) + math.max(0, at - now) + SLACK))
end

local function occupy(key, holder)
  redis.call('ZADD', key, string.format('%.0f', now + lease), holder)
  redis.call('PEXPIRE', key, string.format('%.0f', lease + SLACK))
end

local function wait(parallel, limit, amount, level)
  if amount > limit then return NEVER end
  if parallel then return level >= limit and SLOT_RETRY or 0 end
  return math.max(0, math.ceil((level + (amount - limit) * MINUTE) / limit))
end

local function standing(parallel, limit, level)
  if parallel then return limit - level, 0 end
  return math.floor((limit * MINUTE - level) / MINUTE), limit > 0 and math.ceil(level / limit) or 0
end

local function take()
  local refused, longest, levels, times = 0, 0, {}, {}
  for i, key in ipairs(KEYS) do
    local parallel, limit, amount = demand(i)
    if parallel then
      levels[i] = redis.call('ZCOUNT', key, string.format('(%.0f', now), '+inf')
    else
      levels[i], times[i] = drained(key, limit)
    end
    local needed = wait(parallel, limit, amount, levels[i])
    if longest ~= NEVER and (needed == NEVER or needed > longest) then refused, longest = i, needed end
  end
  local answer = {refused, longest}
  for i, key in ipairs(KEYS) do
    local parallel, limit, amount = demand(i)
    if refused == 0 and parallel then
      levels[i] = levels[i] + amount
      redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', now))
      occupy(key, request)
    elseif refused == 0 then
      levels[i] = levels[i] + amount * MINUTE
      write(key, limit, levels[i], times[i])
    end
    answer[2 * i + 1], answer[2 * i + 2] = standing(parallel, limit, levels[i])
  end
  return answer
end

local function settle()
  for i, key in ipairs(KEYS) do
    local parallel, limit, amount = demand(i)
    if parallel then
      redis.call('ZREM', key, request)
    else
      local used, at = drained(key, limit)
      write(key, limit, math.min(MOST_USED, math.max(0, used + amount * MINUTE)), at)
    end
  end
end

local function renew()
  for i, key in ipairs(KEYS) do occupy(key, ARGV[4 + i]) end
end

return ({take = take, settle = settle, renew = renew})[verb]()
