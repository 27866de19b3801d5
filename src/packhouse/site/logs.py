# SPDX-License-Identifier: Apache-2.0
"""Logs on standard error: one event a line, as text or as JSON, with no secret and no control character in it.

Everything goes through here, what libraries log by `logging` too. A traceback follows its event in lines of their own
that begin with `    | ` (text), or stands in the field `exception` (JSON).
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
import structlog  # noqa: E402

if sys.modules["rich"] is None:
    # structlog draws in colours when it can import rich, which costs a start 0.2 s and 15 MB; we draw nothing.
    del sys.modules["rich"]

Event = MutableMapping[str, Any]

HIDDEN = "[hidden]"

SECRET_FIELDS = frozenset(
    {"authorization", "cookie", "set-cookie", "set_cookie", "password", "secret", "token", "credentials", "api_key"}
)
"""Fields whose whole value is hidden."""

_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"pkh_[A-Za-z0-9_%-]+"), f"pkh_{HIDDEN}"),
    (re.compile(r"\b(basic|bearer|token)(\s+|:\s*)[A-Za-z0-9+/=._~-]{8,}", re.IGNORECASE), rf"\1 {HIDDEN}"),
    (
        re.compile(
            r"\b(packhouse(?:-csrf|-device)?|sessionid|csrftoken|csrfmiddlewaretoken|password)=[^\s;&,'\"]+",
            re.IGNORECASE,
        ),
        rf"\1={HIDDEN}",
    ),
    (re.compile(r"://[^/\s@'\"]+@"), f"://{HIDDEN}@"),
    (
        re.compile(r"(/admin/claim/|/account/invitation/|/account/emergency/|/account/reset/[0-9A-Za-z]+/)[^/\s?'\"]+"),
        rf"\1{HIDDEN}",
    ),
)

_SUSPICIOUS = re.compile(
    r"pkh_|basic|bearer|token|packhouse|session|csrf|password|://|/admin/claim/|/account/invitation/|/account/emergency/|/account/reset/",
    re.IGNORECASE,
)
"""One of these is in whatever holds one of the secrets; the patterns cost five searches."""


def hide_secrets(text: str) -> str:
    """The text without API tokens, credentials, session ids, passwords in URLs and one-time links."""
    if not _SUSPICIOUS.search(text):
        return text
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def printable(text: str) -> str:
    """The text with each character that is not printable (line breaks, ANSI escapes, bidi marks) as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def cleaned(value: Any) -> Any:
    """A value of an event without secrets; numbers and truth values as they are, all else as text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): HIDDEN if _is_secret(str(key)) else cleaned(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [cleaned(item) for item in value]
    return hide_secrets(str(value))


def _is_secret(name: str) -> bool:
    return name.lower().replace("-", "_") in SECRET_FIELDS or name.lower() in SECRET_FIELDS


def clean(logger: Any, method: str, event: Event) -> Event:
    """The structlog processor that hides secrets; the last before the renderer."""
    return {printable(str(name)): HIDDEN if _is_secret(str(name)) else cleaned(value) for name, value in event.items()}


def render_json(logger: Any, method: str, event: Event) -> str:
    """One JSON object; its escapes keep it on one line."""
    return json.dumps(event, ensure_ascii=True)


def render_text(logger: Any, method: str, event: Event) -> str:
    """`TIME LEVEL EVENT name=value ...`, and the traceback below."""
    trace = event.pop("exception", None)
    head = [str(event.pop("timestamp", "")), f"{event.pop('level', ''):<7}", printable(str(event.pop("event", "")))]
    fields = [f"{name}={_quoted(value)}" for name, value in event.items() if value is not None]
    lines = ["    | " + printable(line) for line in str(trace).splitlines()] if trace else []
    return "\n".join([" ".join(head + fields), *lines])


def _quoted(value: Any) -> str:
    text = printable(value if isinstance(value, str) else json.dumps(value))
    return text if text and not set(text) & set(" \"'=") else json.dumps(text, ensure_ascii=False)


def set_up(form: str) -> None:
    """Send all events to standard error as `text` or `json`."""
    shared: list[Callable[..., Any]] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    ending: list[Callable[..., Any]] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        clean,
        render_json if form == "json" else render_text,
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=ending))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name, level in _LEVELS.items():
        logging.getLogger(name).setLevel(level)


_LEVELS = {
    "django.request": logging.ERROR,  # 4xx have their line from web.observing
    "django.security": logging.CRITICAL,  # what strangers do wrong has its line too, and no traceback
    "_granian": logging.WARNING,  # when its workers start and stop
    "httpx2": logging.WARNING,
    "asyncio": logging.WARNING,
}
