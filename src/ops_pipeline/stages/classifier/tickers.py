"""Which companies a text names: cashtags, exchange tags and company names. Pure."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from ops_pipeline.stages.classifier.companies import (
    AMBIGUOUS_TICKERS,
    COMMON_FIRST_WORDS,
    COMPANY_NAMES,
    NAME_ENDINGS,
)

_CASHTAG: Final = re.compile(r"(?<![\w$])\$([A-Z]{1,5}(?:\.[A-Z])?)(?![\w.]\w)(?!\w)")
_EXCHANGE_TAG: Final = re.compile(
    r"""\b(?:nasdaq(?:gs|gm|cm)?|nyse(?:\s?(?:arca|american|mkt))?|amex|cboe|bats)\s*:\s*
    ([A-Z]{1,5}(?:[.-][A-Z])?)(?!\w)""",
    re.IGNORECASE | re.VERBOSE,
)
_BARE: Final = re.compile(r"(?<![\w$.&'-])([A-Z]{3,5})(?![\w&]|-\w)")
_LEAST_NAME: Final = 4


class Universe(NamedTuple):
    """The tickers that may be linked, and one pattern that finds their names."""

    tickers: frozenset[str]
    names: Mapping[str, str]
    pattern: re.Pattern[str] | None


class Mention(NamedTuple):
    """One place where a text names a company."""

    ticker: str
    start: int


def build_universe(companies: Mapping[str, str]) -> Universe:
    """Prepare linking for `companies`: ticker to company name, empty where only known ones help.

    Built once and reused. A name that two tickers claim links neither.
    """
    claims: dict[str, list[str]] = {}
    for ticker in sorted(companies):
        aliases = (*COMPANY_NAMES.get(ticker, ()), *_aliases(companies[ticker]))
        shouted = (alias.upper() for alias in aliases if len(alias) > _LEAST_NAME)
        for alias in dict.fromkeys((*aliases, *shouted)):
            claims.setdefault(alias, []).append(ticker)
    first_words = Counter(name.split()[0].casefold() for name in companies.values() if name.split())
    for ticker in sorted(companies):
        word = _first_word(companies[ticker], first_words)
        if word:
            claims.setdefault(word, []).append(ticker)
    names = {alias: owners[0] for alias, owners in claims.items() if len(dict.fromkeys(owners)) == 1}
    return Universe(frozenset(companies), names, _pattern(names))


def find_mentions(text: str, universe: Universe) -> tuple[Mention, ...]:
    """List every place where `text` names a company of the universe, in reading order."""
    found = [
        Mention(match[1].upper().replace("-", "."), match.start())
        for tag in (_CASHTAG, _EXCHANGE_TAG)
        for match in tag.finditer(text)
    ]
    if not text.isupper():
        found += [
            Mention(match[1], match.start())
            for match in _BARE.finditer(text)
            if match[1] not in AMBIGUOUS_TICKERS
        ]
    if universe.pattern is not None:
        found += [
            Mention(universe.names[match[1]], match.start())
            for match in universe.pattern.finditer(text.replace("’", "'"))
        ]
    return tuple(
        sorted({m for m in found if m.ticker in universe.tickers}, key=lambda m: (m.start, m.ticker))
    )


def distinct_tickers(mentions: Sequence[Mention]) -> tuple[str, ...]:
    """List the tickers of `mentions`, each once, in the order of first mention."""
    return tuple(dict.fromkeys(mention.ticker for mention in mentions))


def _aliases(name: str) -> tuple[str, ...]:
    """Give the forms of a company's full name: as written, and without its legal endings."""
    words = name.split()
    forms = [" ".join(words)]
    while len(words) > 1 and words[-1].casefold().rstrip(",") in NAME_ENDINGS:
        words = words[:-1]
        forms.append(" ".join(words).rstrip(","))
    short = forms[-1]
    too_common = " " not in short and (
        short.casefold() in COMMON_FIRST_WORDS or short.upper() in AMBIGUOUS_TICKERS
    )
    forms = forms[:-1] if too_common else forms
    return tuple(form for form in forms if len(form) >= _LEAST_NAME)


def _first_word(name: str, owners: Counter[str]) -> str | None:
    """Give a name's first word where it alone stands for that company."""
    words = name.split()
    if not words or len(words[0]) <= _LEAST_NAME or owners[words[0].casefold()] > 1:
        return None
    word = words[0].rstrip(",.")
    common = word.casefold() in COMMON_FIRST_WORDS or word.upper() in AMBIGUOUS_TICKERS
    return None if common or not word[0].isupper() else word


def _pattern(names: Mapping[str, str]) -> re.Pattern[str] | None:
    """Compile one case-sensitive pattern over all names, the longest tried first."""
    if not names:
        return None
    longest_first = sorted(names, key=lambda name: (-len(name), name))
    return re.compile(r"(?<![\w$])(" + "|".join(map(re.escape, longest_first)) + r")(?!\w|-\w)")
