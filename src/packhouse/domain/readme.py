# SPDX-License-Identifier: Apache-2.0
"""From a project's description to HTML that is safe to show in a page of ours.

Rendering runs big parsers over hostile text: do it where it may die. What comes out was parsed and written by an HTML
cleaner last, so that a browser reads it as we do, and holds no script, style, form, frame, file or foreign scheme.
"""

from __future__ import annotations

import re
import warnings
from email.message import Message

import nh3
from readme_renderer import clean as readme_clean

LARGEST_HTML = 2 * 1024 * 1024
"""Characters of a rendered description: a few lines of Markdown can stand for far more than anybody reads."""

_PREFIX = "user-content-"
_WEB = re.compile(r"https?://[^/\\@\s]+(?:[/?#]|\Z)", re.IGNORECASE)
_MAIL = re.compile(r"mailto:[^\s@]+@[^\s@]+\Z", re.IGNORECASE)
_SIZE = re.compile(r"[0-9]{1,4}(?:%|px)?\Z")
_CLASS = re.compile(
    r"(?:[a-z][a-z0-9]{0,2}|highlight|code|literal(?:-block)?|docutils|simple|compact|arabic|admonition(?:-[a-z]+)?"
    r"|markdown-alert(?:-[a-z]+)?|align-(?:left|right|center)|footnote[a-z-]*|field-list|task-list-item|caption"
    r"|line(?:-block)?|topic|sidebar|rubric|epigraph|citation|option|problematic|reference|math|target)\Z"
)
_MOST_CLEANINGS = 6
_TAGS = readme_clean.ALLOWED_TAGS - {"nav", "section", "aside", "picture"}
_EXECUTABLE = {"script", "style", "template", "noscript", "textarea", "title", "iframe", "object", "xmp"}
_ATTRIBUTES = {tag: set(names) for tag, names in readme_clean.ALLOWED_ATTRIBUTES.items() if tag == "*" or tag in _TAGS}


def render_description(text: str, content_type: str) -> str | None:
    """Render a description; None when it is plain text, of an unknown type, can't be rendered or gets too long.

    `content_type` is the field Description-Content-Type; "" means reStructuredText, as the public index takes it.
    Pictures keep the address they have elsewhere: what becomes of them is decided when a page is made.
    """
    kind, variant = _read_type(content_type)
    if kind == "text/markdown":
        html = _render_markdown(text, variant)
    elif kind in {"text/x-rst", ""}:
        html = _render_rst(text)
    else:
        return None
    cleaned = clean(html) if html else ""
    return cleaned if 0 < len(cleaned) <= LARGEST_HTML else None


def _read_type(content_type: str) -> tuple[str, str]:
    """Media type in lower case, and the variant of Markdown."""
    if not content_type.strip():
        return "", ""
    message = Message()
    message["content-type"] = content_type.replace("\n", " ")
    return content_type.partition(";")[0].strip().lower(), str(message.get_param("variant", "GFM"))


def _render_markdown(text: str, variant: str) -> str | None:
    """As `markdown.render` does, without preparing to colour code where there is none: that costs more than the rest.

    What it does to links within the page, `clean` does to all of them.
    """
    from readme_renderer import markdown

    parse = markdown.variants.get(variant)
    html = parse(text) if parse else None
    if html and ('<pre lang="' in html or '<code class="language-' in html):
        return markdown.render(text, variant=variant)
    return readme_clean.clean(html) if html else None


def _render_rst(text: str) -> str | None:
    from readme_renderer import rst

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return rst.render(text)
    except Exception:  # noqa: BLE001 - docutils fails in many ways; the text is shown as it is then
        return None


def clean(html: str) -> str:
    """The HTML with nothing but harmless elements, attributes, classes, ids and links.

    Cleaning twice changes nothing: what an HTML parser moves about each time it is read (a link in a table in a link)
    is cleaned until it rests, or left out altogether.
    """
    for _ in range(_MOST_CLEANINGS):
        before, html = html, _clean_once(html)
        if html == before:
            return html
    return ""


def _clean_once(html: str) -> str:
    return nh3.clean(
        html,
        tags=_TAGS,
        clean_content_tags=_EXECUTABLE,
        attributes=_ATTRIBUTES,
        attribute_filter=_judge_attribute,
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow noopener noreferrer ugc",
        set_tag_attribute_values={"input": {"type": "checkbox", "disabled": ""}},
        strip_comments=True,
    )


def _judge_attribute(tag: str, attribute: str, value: str) -> str | None:
    if attribute == "id":
        return value if value.startswith(_PREFIX) else _PREFIX + value
    if attribute == "class":
        return " ".join(name for name in value.split() if _CLASS.match(name)) or None
    if attribute == "href":
        return _judge_link(value)
    if attribute == "src":
        return value if _WEB.match(value) else None
    if attribute in {"width", "height"}:
        return value if _SIZE.match(value) else None
    return value


def _judge_link(value: str) -> str | None:
    if value.startswith("#"):
        return value if value.startswith(f"#{_PREFIX}") else f"#{_PREFIX}{value[1:]}"
    return value if _WEB.match(value) or _MAIL.match(value) else None
