# SPDX-License-Identifier: Apache-2.0
"""All templates: they compile, need no script, obey the content security policy, and ask no other server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.template.loader import get_template

import packhouse.web

WEB = Path(packhouse.web.__file__).parent
TEMPLATES = sorted(p.relative_to(WEB / "templates").as_posix() for p in (WEB / "templates").rglob("*.html"))
MAILS = sorted(p.relative_to(WEB / "templates").as_posix() for p in (WEB / "templates").rglob("*.txt"))


def _source(name: str) -> str:
    return (WEB / "templates" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", TEMPLATES + MAILS)
def test_a_template_compiles(name: str) -> None:
    get_template(name)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_has_nothing_inline(name: str) -> None:
    source = _source(name)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", source)
    assert not re.search(r"<script(?![^>]*(\ssrc=|type=\"application/json\"))", source)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_tag_stands_on_one_line(name: str) -> None:
    assert not re.search(r"\{%[^%]*\n", _source(name)), "Django shows such a tag as text"


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_loads_nothing_from_elsewhere(name: str) -> None:
    assert not re.search(r"(src|href)=\"(https?:)?//", _source(name))


@pytest.mark.parametrize("name", ["account/email/email_confirmation_message.txt"])
def test_the_code_is_alone_on_its_line(name: str) -> None:
    class User:
        username = "ada"

    text = get_template(name).render({"code": "ABC-123", "user": User()})
    assert "ABC-123" in text.splitlines()


def test_the_style_sheet_asks_no_other_server() -> None:
    css = (WEB / "static/packhouse/packhouse.css").read_text(encoding="utf-8")
    assert "url(" not in css
    assert "@import" not in css
