# SPDX-License-Identifier: Apache-2.0
# Varnish 7 before Packhouse; docs/caches.md explains it, tests/varnish runs it. Needs the modules xkey and var
# (Debian: varnish-modules). Start varnishd with:
#   -p http_gzip_support=off   (pages come compressed, each encoding with a strong tag of its own)
#   -p pipe_timeout=600        (a large upload is judged in silence)
# and Packhouse with PACKHOUSE_PURGE=http://ADDRESS-OF-VARNISH:PORT. Without that nothing but files is kept.
vcl 4.1;

import std;
import var;
import xkey;

backend packhouse {
    .host = "127.0.0.1";
    .port = "8000";
    .connect_timeout = 2s;
    .first_byte_timeout = 60s;
    .between_bytes_timeout = 60s;
    .probe = {
        .url = "/healthz";
        .interval = 1s;
        .timeout = 2s;
        .window = 3;
        .threshold = 2;
        .initial = 2;
    }
}

# Where Packhouse sends its purges from.
acl purgers {
    "127.0.0.1";
    "::1";
}

# A program of yours that takes TLS off and says so by X-Forwarded-Proto and X-Forwarded-Host.
acl terminators {
    "127.0.0.1";
    "::1";
}

sub vcl_recv {
    if (req.restarts == 0) {
        unset req.http.X-Stale;
        unset req.http.X-Pipe;
        unset req.http.X-Cache;
        # The client's own address is added to X-Forwarded-For by Varnish; the rest is nobody's word but ours.
        if (client.ip !~ terminators) {
            unset req.http.X-Forwarded-Proto;
            unset req.http.X-Forwarded-Host;
            unset req.http.X-Forwarded-Prefix;
            unset req.http.X-Request-Id;
        }
    }
    if (req.method == "PURGE") {
        if (client.ip !~ purgers) {
            return (synth(403, "Purges are taken from Packhouse alone."));
        }
        # Answers on their way now may be from before the change: see vcl_backend_response.
        var.global_set("purged", req.xid);
        return (synth(200, "Purged " + xkey.purge(req.http.Surrogate-Key) + "."));
    }
    # Uploads and forms: a refusal may come before the body has been sent, and only a pipe lets it through.
    if ((req.method != "GET" && req.method != "HEAD" && req.method != "OPTIONS") || req.http.X-Pipe) {
        return (pipe);
    }
    # Varnish answers 503 for a range it can't read where it passes one on: here each is one that both can read.
    if (req.http.Range ~ "^bytes=([0-9]{18,}-[0-9]*|-0+)$") {
        set req.http.Range = "bytes=99999999999999999-";
    } elsif (req.http.Range ~ "^bytes=[0-9]+-[0-9]{18,}$") {
        set req.http.Range = regsub(req.http.Range, "-[0-9]+$", "-");
    } elsif (req.http.Range !~ "^bytes=([0-9]+-[0-9]*|-[0-9]{1,17})$" || (req.http.Range ~ "^bytes=[0-9]+-[0-9]+$"
            && std.integer(regsub(req.http.Range, "^bytes=([0-9]+)-.*$", "\1"), 0)
            > std.integer(regsub(req.http.Range, "^.*-", ""), 0))) {
        unset req.http.Range;
    }
    # Who brings credentials is answered by Packhouse, each time.
    if (req.method == "OPTIONS" || req.http.Authorization) {
        return (pass);
    }
    # Varnish compares one tag, and knows nothing of a page that is too young for a time to tell.
    if (req.http.If-None-Match ~ "[,*]" || (req.http.If-Modified-Since && !req.http.If-None-Match)) {
        return (pass);
    }
    # What is kept: pages and files of indexes and the files of the website. No query is part of any of it.
    if (req.url ~ "^(/index/[a-z0-9-]+)?(/@[^/?]+)?/simple/([A-Za-z0-9._-]+/)?$") {
        call choose_page;
        if (req.http.X-Odd) {
            unset req.http.X-Odd;
            return (pass);
        }
    } elsif (req.url !~ "^(/index/[a-z0-9-]+)?(/@[^/?]+)?/files/[0-9a-f]{64}/[^/?]+$" && req.url !~ "^/static/[^?]+$") {
        return (pass);
    } else {
        unset req.http.Accept;
        unset req.http.Accept-Encoding;
    }
    if (req.http.Cache-Control ~ "(?i)no-cache") {
        set req.hash_always_miss = true;
    }
    # What is too old is sent only while Packhouse can't answer, and never when it was purged.
    if (req.http.X-Stale || !std.healthy(req.backend_hint)) {
        set req.grace = 24h;
        set req.hash_always_miss = false;
    } else {
        set req.grace = 0s;
    }
    return (hash);
}

# A handful of forms out of the thousands of spellings. X-Odd: one that Packhouse has to judge.
sub choose_page {
    unset req.http.X-Odd;
    if (!req.http.Accept || req.http.Accept == "*/*" || req.http.Accept == "text/html") {
        set req.http.Accept = "text/html";
    } elsif (req.http.Accept ~ "^application/vnd\.pypi\.simple\.v1\+json(,|$)") {
        # First, with nothing taken off: pip, uv, Poetry, PDM.
        set req.http.Accept = "application/vnd.pypi.simple.v1+json";
    } elsif (req.http.Accept == "application/vnd.pypi.simple.v1+html") {
        set req.http.Accept = "application/vnd.pypi.simple.v1+html";
    } elsif (req.http.Accept ~ "^text/html," && req.http.Accept !~ "(?i)application/(vnd\.pypi|\*)") {
        # Browsers.
        set req.http.Accept = "text/html";
    } else {
        set req.http.X-Odd = "accept";
    }
    if (req.http.Accept-Encoding ~ "[;*]" || req.http.Accept-Encoding ~ "(?i)x-gzip") {
        set req.http.X-Odd = "encoding";
    } elsif (req.http.Accept-Encoding) {
        set req.http.X-Codings = "";
        if (req.http.Accept-Encoding ~ "(?i)(^|[, ])zstd([, ]|$)") {
            set req.http.X-Codings = req.http.X-Codings + "zstd,";
        }
        if (req.http.Accept-Encoding ~ "(?i)(^|[, ])br([, ]|$)") {
            set req.http.X-Codings = req.http.X-Codings + "br,";
        }
        if (req.http.Accept-Encoding ~ "(?i)(^|[, ])gzip([, ]|$)") {
            set req.http.X-Codings = req.http.X-Codings + "gzip,";
        }
        set req.http.Accept-Encoding = regsub(req.http.X-Codings, ",$", "");
        unset req.http.X-Codings;
    }
    if (req.http.Accept-Encoding == "") {
        unset req.http.Accept-Encoding;
    }
}

sub vcl_miss {
    # Some bytes of a file that is not here: Packhouse sends just these.
    if (req.http.Range) {
        return (pass);
    }
}

sub vcl_backend_fetch {
    set bereq.http.X-Purged = "after " + var.global_get("purged");
}

sub vcl_backend_response {
    unset beresp.http.X-Cache;
    if (bereq.uncacheable) {
        return (deliver);
    }
    if (beresp.status >= 500) {
        if (bereq.is_bgfetch) {
            return (abandon);
        }
        set beresp.uncacheable = true;
        set beresp.ttl = 0s;
        return (deliver);
    }
    # Only a surrogate key says that anybody may have it: what only some may read has none, and is `private`.
    if ((beresp.status != 200 && beresp.status != 304) || !(beresp.http.Surrogate-Key || bereq.url ~ "^/static/")
            || beresp.http.Cache-Control ~ "(?i)private|no-store" || beresp.http.Set-Cookie) {
        set beresp.uncacheable = true;
        set beresp.ttl = 10s;
        return (deliver);
    }
    # Something was changed while this was on its way: it is right for who asked before, and for nobody after.
    if (bereq.http.X-Purged != "after " + var.global_get("purged")) {
        set beresp.uncacheable = true;
        set beresp.ttl = 0s;
        return (deliver);
    }
    if (beresp.http.Surrogate-Control ~ "max-age=[0-9]+") {
        set beresp.ttl = std.duration(regsub(beresp.http.Surrogate-Control, "^.*max-age=([0-9]+).*$", "\1s"), 0s);
    } elsif (beresp.ttl > 1h) {
        # Files never change, but may be taken away: should a purge get lost, they are gone within the hour.
        set beresp.ttl = 1h;
    }
    if (beresp.ttl <= 0s) {
        set beresp.uncacheable = true;
        set beresp.ttl = 10s;
        return (deliver);
    }
    # Too large to keep, and to hold while a slow client reads: a pipe holds nothing. That is what is kept.
    if (std.integer(beresp.http.Content-Length, 0) > 67108864) {
        set bereq.http.X-Large = beresp.http.Surrogate-Key;
        return (error(503, "Too large to keep"));
    }
    set beresp.http.xkey = beresp.http.Surrogate-Key;
    set beresp.grace = 24h;
    set beresp.keep = 7d;
    return (deliver);
}

sub vcl_backend_error {
    if (bereq.http.X-Large) {
        set beresp.http.xkey = bereq.http.X-Large;
        set beresp.http.X-Large = "yes";
        set beresp.status = 200;
        set beresp.ttl = 1h;
        return (deliver);
    }
    return (abandon);
}

sub vcl_deliver {
    if (resp.http.X-Large) {
        set req.http.X-Pipe = "yes";
        return (restart);
    }
    if (resp.status >= 500 && req.restarts == 0 && req.http.X-Cache != "pass") {
        set req.http.X-Stale = "1";
        return (restart);
    }
    unset resp.http.xkey;
    unset resp.http.Surrogate-Control;
    unset resp.http.X-Varnish;
    unset resp.http.Via;
    if (obj.hits > 0) {
        set resp.http.X-Cache = "hit";
    } else {
        set resp.http.X-Cache = "miss";
    }
}

sub vcl_pass {
    set req.http.X-Cache = "pass";
}

sub vcl_synth {
    if (resp.status == 503 && req.restarts == 0 && req.http.X-Cache != "pass"
            && (req.method == "GET" || req.method == "HEAD")) {
        set req.http.X-Stale = "1";
        return (restart);
    }
    set resp.http.Content-Type = "text/plain; charset=utf-8";
    set resp.http.Cache-Control = "no-store";
    set resp.http.X-Content-Type-Options = "nosniff";
    set resp.http.Content-Security-Policy = "default-src 'none'";
    if (resp.status == 503) {
        set resp.http.Retry-After = "2";
        set resp.body = "The server can't answer now; try again in a moment." + {"
"};
    } else {
        set resp.body = resp.reason + {"
"};
    }
    return (deliver);
}
