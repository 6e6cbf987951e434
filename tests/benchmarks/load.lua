-- SPDX-License-Identifier: Apache-2.0
-- What wrk asks for, and what it tells at the end: one line of JSON.
-- Arguments: method, body, and three files of lines (paths, tokens, products), "" where there is none.
-- In a body, PRODUCT becomes one of the products, at random. A POST has a key of its own.

local threads = {}

function setup(thread)
  table.insert(threads, thread)
  thread:set("number", #threads)
end

local function lines(name)
  local found = {}
  if name and name ~= "" then
    for line in io.lines(name) do table.insert(found, line) end
  end
  return found
end

function init(args)
  local method, body = args[1], args[2]
  local paths, tokens, products = lines(args[3]), lines(args[4]), lines(args[5])
  local count, nonce = 0, args[6] .. "-" .. number
  wrk.method, wrk.path, wrk.headers["Authorization"] = method, paths[1], tokens[1]
  -- Without a function wrk sends the same bytes again and again, which costs it least.
  if method == "GET" and #paths == 1 then return end
  math.randomseed(tonumber(args[7]) + number)
  function request()
    count = count + 1
    local sent = body
    if method ~= "GET" then
      wrk.headers["Idempotency-Key"] = nonce .. "-" .. count
      wrk.headers["Authorization"] = tokens[count % #tokens + 1]
      sent = string.gsub(body, "PRODUCT", products[math.random(#products)])
    end
    return wrk.format(nil, paths[math.random(#paths)], nil, sent)
  end
  if method == "GET" then return end
  statuses = {}
  function response(status)
    statuses[status] = (statuses[status] or 0) + 1
  end
end

function done(summary, latency)
  local told, errors = {}, summary.errors
  for _, thread in ipairs(threads) do
    for status, count in pairs(thread:get("statuses") or {}) do
      table.insert(told, string.format('"%d": %d', status, count))
    end
  end
  io.write(string.format(
    '\n{"seconds": %f, "requests": %d, "refused": %d, "broken": %d,'
      .. ' "median_ms": %f, "p99_ms": %f, "statuses": {%s}}\n',
    summary.duration / 1e6, summary.requests, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, table.concat(told, ", ")))
end
