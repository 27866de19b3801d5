# SPDX-License-Identifier: Apache-2.0
"""A load balancer before servers: nginx with the configuration we give away, on a free port of the loopback."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.infra.nginx import free_port, nginx

CONFIGURATION = Path(__file__).resolve().parents[2] / "deploy" / "balancers" / "nginx.conf"


def configuration(port: int, nodes: Sequence[int]) -> str:
    """The configuration as it is given away, but for the addresses (two or three); no other word is changed."""
    text = CONFIGURATION.read_text(encoding="utf-8")
    assert re.findall(r"node-(\d)\.example\.org:8000", text) == ["1", "2", "3"] * 2
    text = text if len(nodes) > 2 else re.sub(r" *server node-3.*\n", "", text)
    for number, node in enumerate(nodes, 1):
        text = text.replace(f"node-{number}.example.org:8000", f"127.0.0.1:{node}")
    assert text.count("listen 80;") == 1
    return text.replace("listen 80;", f"listen 127.0.0.1:{port};")


@contextmanager
def balancer(nodes: Sequence[int]) -> Iterator[int]:
    """Balance servers on these ports; yields the port of the balancer."""
    port = free_port()
    with nginx("return 404;", configuration(port, nodes)):
        yield port
