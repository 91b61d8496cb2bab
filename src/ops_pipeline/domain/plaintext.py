"""Reduces what a news source sends to plain text: no markup, no invisible or reordering characters. Pure."""

import unicodedata
from contextlib import suppress
from html import unescape
from html.parser import HTMLParser
from typing import Final

_UNSHOWN: Final = frozenset({"script", "style", "template", "noscript", "svg", "iframe", "head"})
_BREAKING: Final = frozenset({"p", "br", "div", "li", "tr", "td", "h1", "h2", "h3", "ul", "ol", "table"})
# Control, format (bidi, zero width), surrogate, private and unassigned characters.
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})


class _TextOnly(HTMLParser):
    """Collects character data outside elements that are never shown."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSHOWN:
            self._hidden += 1
        if tag in _BREAKING:
            self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSHOWN and self._hidden:
            self._hidden -= 1

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


def to_plain_text(markup: str, *, limit: int) -> str:
    """Strip `markup` of tags, scripts, entities and invisible characters; at most `limit` characters."""
    parser = _TextOnly()
    with suppress(AssertionError):  # a marked section that is none: what stands before it is kept
        parser.feed(markup)
        parser.close()
    # An escaped entity inside a feed (&amp;amp;) survives the first pass.
    text = unescape("".join(parser.parts))
    return remove_invisible(text)[:limit].rstrip()


def remove_invisible(text: str) -> str:
    """Drop control, bidi, zero-width and unassigned characters and collapse white space."""
    shown = (" " if char.isspace() else char for char in text if char.isspace() or _is_shown(char))
    return " ".join("".join(shown).split())


def _is_shown(char: str) -> bool:
    return unicodedata.category(char) not in _INVISIBLE
