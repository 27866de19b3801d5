# SPDX-License-Identifier: Apache-2.0
"""The addresses pages give to people."""

from __future__ import annotations

import pytest

from packhouse.config import Settings
from packhouse.web.context import House


@pytest.mark.parametrize(
    ("base_url", "options"),
    [
        ("http://127.0.0.1:8000", "--index-url http://127.0.0.1:8000/simple/"),
        ("http://localhost:8000", "--index-url http://localhost:8000/simple/"),
        ("https://index.example", "--index-url https://index.example/simple/"),
        ("http://index.example:8000", "--index-url http://index.example:8000/simple/ --trusted-host index.example"),
    ],
)
def test_pip_is_told_to_trust_plain_http_of_another_machine(base_url: str, options: str) -> None:
    house = House("Packhouse", base_url, "1.0", Settings())
    assert house.pip_options == options
    assert house.upload_url == f"{base_url}/legacy/"
