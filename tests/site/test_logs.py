# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from typing import Any

import pytest

from packhouse.site.logs import HIDDEN, clean, hide_secrets, printable, render_json, render_text

TOKEN = "pkh_uCANARYcanary0123456789abcdefABCDEF01234"
CANARY = "canary"


@pytest.mark.parametrize(
    "text",
    [
        f"token {TOKEN} refused",
        f"Authorization: Basic X190b2tlbl9fOmNhbmFyeQ== {TOKEN[:20]}",
        "Authorization: Bearer canary-canary-canary",
        "got 'token canarycanarycanary' instead",
        "https://alice:canary@index.example/simple/",
        "smtp://canary@mail.example:25",
        "/admin/claim/canary_canary/",
        "/account/invitation/canary-canary/",
        "/account/emergency/canary-canary/",
        "/account/reset/1a/canary-canary/",
        "Cookie: sessionid=canary; csrftoken=canary",
        "csrfmiddlewaretoken=canary&password=canary",
    ],
)
def test_no_secret_gets_through(text: str):
    assert CANARY not in hide_secrets(text).lower()
    assert HIDDEN in hide_secrets(text)


@pytest.mark.parametrize("name", ["Authorization", "cookie", "Set-Cookie", "password", "token"])
def test_secret_fields_are_hidden_whole(name: str):
    event = clean(None, "info", {"event": "x", name: CANARY, "headers": {name: CANARY}, "list": [{name: CANARY}]})
    assert CANARY not in json.dumps(event)


@pytest.mark.parametrize("text", ["a\r\nb", "\x1b[31mred", "\u202egnp", "\x9b2J", "\x00", "\u2028"])
def test_control_characters_become_escapes(text: str):
    for render in (render_text, render_json):
        line = render(None, "info", {"event": text, "timestamp": "T", "level": "info", "agent": text})
        assert line.isprintable()
    assert printable(text).isprintable()


def test_text_lines_can_be_read_and_not_forged():
    event: dict[str, Any] = {"timestamp": "T", "level": "info", "event": "request", "path": '/a" status=200', "ms": 1.5}
    assert render_text(None, "info", event) == 'T info    request path="/a\\" status=200" ms=1.5'


def test_traceback_lines_are_marked():
    event: dict[str, Any] = {"timestamp": "T", "level": "error", "event": "x", "exception": "a\n2026-11-24 info forged"}
    assert render_text(None, "error", event).splitlines()[1:] == ["    | a", "    | 2026-11-24 info forged"]


def test_ordinary_words_stay():
    assert hide_secrets("token 12 of alice deleted, basic rules") == "token 12 of alice deleted, basic rules"
