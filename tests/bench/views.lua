-- Asks for the addresses in the file that VIEWS names, one line each, again and again; prints as wrk.lua does.
local requests, last = {}, 0
init = function()
  for path in io.lines(os.getenv("VIEWS")) do
    requests[#requests + 1] = wrk.format("GET", path)
  end
end
request = function()
  last = last % #requests + 1
  return requests[last]
end
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'JSON {"requests":%d,"us":%d,"p50":%.3f,"p99":%.3f,"errors":%d}\n',
    summary.requests, summary.duration, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    errors.status + errors.connect + errors.write + errors.timeout))
end
