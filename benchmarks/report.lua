-- SPDX-License-Identifier: Apache-2.0
-- wrk's findings as one line of JSON.
done = function(summary, latency, requests)
  local e = summary.errors
  local form = '{"requests":%d,"seconds":%.6f,"bytes":%d,"p50_ms":%.3f,"p99_ms":%.3f,"refused":%d,"broken":%d}\n'
  io.write(string.format(form, summary.requests, summary.duration / 1e6, summary.bytes,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, e.status, e.connect + e.read + e.write + e.timeout))
end
