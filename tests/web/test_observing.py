# SPDX-License-Identifier: Apache-2.0
"""What a real server logs and counts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from tests.corpus import make_wheel
from tests.infra.server import Server

pytestmark = pytest.mark.slow

StartServer = Callable[..., Server]
CANARY = "cAnArY0123456789cAnArY"


def logged(server: Server) -> list[dict[str, object]]:
    return [json.loads(line) for line in server.output().splitlines() if line.startswith("{")]


def test_one_line_a_request_with_an_id_and_without_secrets(start_server: StartServer):
    server = start_server(extra={"PACKHOUSE_LOG_FORMAT": "json"})
    headers = {
        "Authorization": f"Bearer pkh_u{CANARY}",
        "Cookie": f"sessionid={CANARY}",
        "User-Agent": f"tool/1 pkh_u{CANARY}",
    }
    status, answer, _ = server.get(f"/nowhere/pkh_u{CANARY}?q={CANARY}", headers)
    assert status in {401, 404}
    server.stop()
    lines = [line for line in logged(server) if line["event"] == "request" and str(line["path"]).startswith("/nowhere")]
    assert len(lines) == 1
    assert lines[0]["request_id"] == answer["x-request-id"]
    assert (lines[0]["status"], lines[0]["method"]) == (status, "GET")
    assert CANARY not in server.output()


def test_a_request_can_not_forge_lines(start_server: StartServer):
    server = start_server("--edge", "none")
    server.get("/a%0d%0a2026-01-01T00:00:00Z%20info%20forged%1b%5b31m")
    server.stop()
    assert "forged" in server.output()
    assert "\x1b" not in server.output()
    assert not [line for line in server.output().splitlines() if line.startswith("2026-01-01")]


def test_metrics_for_this_machine_while_it_serves_this_machine(live: Server):
    live.get("/nowhere")
    status, headers, body = live.get("/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain; version=0.0.4")
    assert b'packhouse_origin_requests_total{method="GET"' in body
    assert b"packhouse_serial " in body


def test_metrics_not_through_a_proxy(live: Server):
    for name in ("X-Forwarded-For", "Forwarded", "Via"):
        assert live.get("/metrics", {name: "198.51.100.1"})[0] == 401


def test_metrics_of_a_public_server_want_the_token(start_server: StartServer):
    server = start_server(extra={"PACKHOUSE_BASE_URL": "http://localhost", "PACKHOUSE_METRICS_TOKEN": "s3cret"})
    assert server.get("/metrics")[0] == 401
    assert server.get("/metrics", {"Authorization": "Bearer wrong"})[0] == 401
    assert server.get("/metrics", {"Authorization": "Bearer s3cret"})[0] == 200


def test_counts_of_all_workers_add_up(start_server: StartServer):
    server = start_server("--workers", "2")
    for _ in range(20):
        server.get("/nowhere")
    lines = server.get("/metrics")[2].decode().splitlines()
    counted = [line for line in lines if line.startswith("packhouse_origin_requests_total") and 'status="404"' in line]
    assert sum(float(line.split()[-1]) for line in counted) == 20


def test_what_the_edge_answers_by_itself_is_counted_too(start_server: StartServer):
    server = start_server()
    assert server.publish(server.make_token(server.make_user()), *make_wheel("seen", "1"))[0] == 200
    for _ in range(5):
        assert server.get("/simple/seen/")[0] == 200
    until = time.monotonic() + 60
    while replies(server) < 4:  # carried over once a second
        assert time.monotonic() < until
        time.sleep(0.1)


def replies(server: Server) -> float:
    """The edge's own answers with status 200, as /metrics has them."""
    lines = server.get("/metrics")[2].decode().splitlines()
    counted = [line for line in lines if line.startswith('packhouse_edge_replies_total{status="200"}')]
    return float(counted[0].split()[-1]) if counted else 0
