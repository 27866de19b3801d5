# SPDX-License-Identifier: Apache-2.0
"""Make a README, rendered and cleaned when it was judged (`domain.readme`), fit into a page of ours.

The input is already safe, its ids and the links to them have a prefix that keeps them from colliding with ours. What
changes: headings go one level down, since the page has its first; pictures are loaded from where the index's rule says,
or become their words with a link; links that show nothing are left out, their ids kept; each link is isolated, so that
its text can't turn the direction of what stands beside it (hostile-151); code can be scrolled by keyboard.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from html import escape
from html.parser import HTMLParser

_ANCHOR = re.compile(r"^<a[^>]*?( id=\"[^\"]*\")[^>]*>$")
_VOID = frozenset({"br", "hr", "img", "input", "col"})
_LOWER = {f"h{n}": f"h{min(n + 1, 6)}" for n in range(1, 7)}

_ADDED = {
    "a": [("dir", "auto")],
    "img": [("loading", "lazy"), ("referrerpolicy", "no-referrer")],
    "pre": [("tabindex", "0")],
    "input": [("aria-label", "task")],
}
_NAMES = {("pre", "lang"): "data-lang"}  # a programming language is not one that `lang` may name

Attributes = Sequence[tuple[str, str | None]]


_TOLD = '<p class="quiet small">Pictures from elsewhere are not loaded here; their words stand in their place.</p>'
_REL = 'rel="nofollow noopener noreferrer ugc"'
_WHY = 'title="This index loads no pictures from elsewhere."'


def fit(html: str, place: Callable[[str], str | None] = lambda _url: None) -> str:
    """Return the README's HTML ready for a page; the text is unchanged.

    `place` says where the picture of an address is loaded from; None: it isn't, which is said where it would be.
    """
    fitter = _Fitter(place)
    fitter.feed(html)
    fitter.close()
    return (_TOLD if fitter.left_out else "") + "".join(fitter.parts)


class _Fitter(HTMLParser):
    """Copies what it reads, with the changes the module's docstring names."""

    def __init__(self, place: Callable[[str], str | None]) -> None:
        super().__init__(convert_charrefs=False)
        self.parts: list[str] = []
        self.left_out = False
        self._place = place
        self._in_link = False

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        if tag == "img":
            source = dict(attrs).get("src") or ""
            at = self._place(source) if source else None
            if at is None:
                self.parts.append(self._in_words(source, (dict(attrs).get("alt") or "").strip()))
                return
            attrs = [(name, at if name == "src" else value) for name, value in attrs]
        self._in_link = self._in_link or tag == "a"
        text = "".join(f' {name}="{escape(value or "")}"' for name, value in _fit_attributes(tag, attrs))
        self.parts.append(f"<{_LOWER.get(tag, tag)}{text}>")

    def _in_words(self, source: str, words: str) -> str:
        """What stands where a picture would be."""
        if not source:
            return f'<span class="image-off">{escape(words)}</span>' if words else ""
        self.left_out = True
        shown = f'<span class="unseen">picture: </span>{escape(words)}' if words else "picture"
        if self._in_link:
            return f'<span class="image-off" {_WHY}>{shown}</span>'
        return f'<a class="image-off" href="{escape(source)}" {_REL} {_WHY} dir="auto">{shown}</a>'

    def handle_startendtag(self, tag: str, attrs: Attributes) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._in_link = False
        if tag == "a" and self.parts and self.parts[-1].startswith("<a"):
            self.parts[-1] = _ANCHOR.sub(r"<span\1></span>", self.parts[-1]) if " id=" in self.parts[-1] else ""
        elif tag not in _VOID:
            self.parts.append(f"</{_LOWER.get(tag, tag)}>")

    def handle_data(self, data: str) -> None:
        self.parts.append(data.replace("<", "&lt;").replace(">", "&gt;"))

    def handle_entityref(self, name: str) -> None:
        self.parts.append(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.parts.append(f"&#{name};")


def _fit_attributes(tag: str, attrs: Attributes) -> Attributes:
    fitted = [(_NAMES.get((tag, name), name), value) for name, value in attrs]
    if tag == "img" and not any(name == "alt" for name, _ in attrs):
        fitted.append(("alt", ""))
    return [*fitted, *_ADDED.get(tag, [])]
