"""Finds where two recordings of one run say different things, and what each difference is called. Pure."""

from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from ops_pipeline.adapters.tape.forms import QUOTE_FIELDS
from ops_pipeline.adapters.tape.player import Missing, Moment
from ops_pipeline.app.divergence import Cause, Root
from ops_pipeline.domain.units import format_usd

_OCC_TAIL = 15
_CAUSES = {
    "market": Cause.DATA,
    "news": Cause.DATA,
    "broker": Cause.FILL,
    "stream": Cause.TIMING,
    "clock": Cause.TIMING,
    "brake": Cause.CONTROL,
    "recording": Cause.DATA,
}


def compare_recordings(own: Iterator[Moment], other: Iterator[Moment]) -> list[Root]:
    """Give what `other` says otherwise than `own`, up to where the first of them ends."""
    found: list[Root] = []
    one, two = next(own, None), next(other, None)
    while one is not None and two is not None:
        places = [(moment.life, moment.at) for moment in (one, two)]
        if places[0] == places[1]:
            # What a moment lacks that was cut short was not said otherwise.
            found += [] if one.torn or two.torn else _compare(one, two)
            one, two = next(own, None), next(other, None)
        elif places[0] < places[1]:
            found.append(_only(one, "the run alone"))
            one = next(own, None)
        else:
            found.append(_only(two, "the replay alone"))
            two = next(other, None)
    return found


def changed_lines(changed: Sequence[tuple[datetime, list[Any]]]) -> list[Root]:
    """Name each line that is not the one the run wrote."""
    return [
        Root(at, cause_of(port), f"{question_text(port, call, about)}: not the line that was recorded",
             tickers_of(port, about))
        for at, (port, call, about) in changed
    ]  # fmt: skip


def never_told(missing: Missing) -> Root:
    """Name a question of the replay that the run never put."""
    text = f"{question_text(missing.port, missing.call, missing.about)}: never asked live"
    return Root(missing.at, cause_of(missing.port), text, tickers_of(missing.port, missing.about))


def one_a_moment(roots: Sequence[Root]) -> list[Root]:
    """Join what one moment has of one cause, oldest first: a price that differs is told more than once."""
    found: dict[tuple[datetime, Cause], list[Root]] = {}
    for root in roots:
        found.setdefault((root.at, root.cause), []).append(root)
    joined = []
    for (at, cause), same in found.items():
        texts = list(dict.fromkeys(root.text for root in same))
        more = f" (and {len(texts) - 1} more answers)" if len(texts) > 1 else ""
        tickers = frozenset[str]().union(*(root.tickers for root in same))
        joined.append(Root(at, cause, texts[0] + more, tickers))
    return sorted(joined, key=lambda root: root.at)


def cause_of(port: str) -> Cause:
    """Give what a wrong answer of a port is called; its first word names its kind."""
    return _CAUSES.get(port.split(maxsplit=1)[0], Cause.DATA) if port != "stream clock" else Cause.TIMING


def tickers_of(port: str, about: Sequence[Any]) -> frozenset[str]:
    """Give the underlyings a question of the market is about."""
    if port != "market":
        return frozenset()
    names = [word for word in about if isinstance(word, str) and word[:1].isalpha()]
    return frozenset(name[:-_OCC_TAIL] if len(name) > _OCC_TAIL else name for name in names)


def question_text(port: str, call: str, about: Sequence[Any]) -> str:
    """Write a question for a person."""
    return " ".join([port, call, *(str(word) for word in about[:2]), *(["..."] if len(about) > 2 else [])])


def _only(moment: Moment, whose: str) -> Root:
    cause = Cause.CONTROL if moment.kind in ("hold", "request") else Cause.TIMING
    return Root(moment.at, cause, f"{moment.kind} at {moment.at:%H:%M:%S.%f}: of {whose}")


def _compare(one: Moment, two: Moment) -> list[Root]:
    found = []
    if (one.kind, one.detail) != (two.kind, two.detail):
        found.append(Root(one.at, Cause.CONTROL, f"{one.kind}: another was asked for in the replay"))
    for key in dict.fromkeys((*one.answers, *two.answers)):
        before, after = one.answers.get(key), two.answers.get(key)
        if before != after:
            question = (one if before else two).questions[key]
            found.append(_differing(one.at, question, before, after))
    return found


def _differing(
    at: datetime,
    question: Sequence[Any],
    before: deque[dict[str, Any]] | None,
    after: deque[dict[str, Any]] | None,
) -> Root:
    port, call, about = question
    what, cause = question_text(port, call, about), cause_of(port)
    if not before or not after:
        return Root(
            at,
            cause,
            f"{what}: told to {'the replay' if after else 'the run'} alone",
            tickers_of(port, about),
        )
    pairs = [pair for pair in zip(before, after, strict=False) if pair[0] != pair[1]]
    if not pairs:
        return Root(at, cause, f"{what}: told {len(before)} times live, {len(after)} in the replay")
    live, replayed = pairs[0]
    if cause is Cause.FILL and _without_fees(live) == _without_fees(replayed):
        cause = Cause.FEE
    return Root(at, cause, f"{what}: {_apart(call, live, replayed)}", tickers_of(port, about))


def _without_fees(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_fees(entry) for name, entry in value.items() if name != "fees"}
    return [_without_fees(entry) for entry in value] if isinstance(value, list) else value


def _apart(call: str, live: dict[str, Any], replayed: dict[str, Any]) -> str:
    """Say how two answers differ: of quotes the first that does, else the first fields."""
    if "is" not in live or "is" not in replayed:
        return f"live {_raised(live)}, replay {_raised(replayed)}"
    one, two = live["is"], replayed["is"]
    if call == "chain" and one and two:
        one, two = one["quotes"], two["quotes"]
    if call in ("quotes", "chain") and one is not None and two is not None:
        return _quotes_apart(one, two)
    path, old, new = _first_difference(one, two)
    return f"{path or 'it'} was {old!s:.60} live, {new!s:.60} in the replay"


def _raised(told: dict[str, Any]) -> str:
    if "is" in told:
        return "an answer"
    kinds, text = told["raised"]
    return f"{kinds[0]}: {text:.80}"


def _quotes_apart(one: Sequence[Sequence[Any]], two: Sequence[Sequence[Any]]) -> str:
    before, after = ({row[0]: row for row in rows} for rows in (one, two))
    occ = next(occ for occ in (*before, *after) if before.get(occ) != after.get(occ))
    return f"{occ} {_quote(before.get(occ))} live, {_quote(after.get(occ))} in the replay"


def _quote(row: Sequence[Any] | None) -> str:
    if row is None:
        return "not quoted"
    quote = dict(zip(QUOTE_FIELDS, row, strict=True))
    sides = [format_usd(price) if price is not None else "none" for price in (quote["bid"], quote["ask"])]
    return f"{'/'.join(sides)} of {datetime.fromisoformat(quote['at']):%H:%M:%S}"


def _first_difference(one: Any, two: Any, path: str = "") -> tuple[str, Any, Any]:
    """Give where two plain values first differ, and what stands there."""
    if isinstance(one, dict) and isinstance(two, dict):
        names = [name for name in dict.fromkeys((*one, *two)) if one.get(name) != two.get(name)]
        if names:
            return _first_difference(one.get(names[0]), two.get(names[0]), f"{path} {names[0]}".strip())
    if isinstance(one, list) and isinstance(two, list):
        if len(one) != len(two):
            return f"{path} count".strip(), len(one), len(two)
        for before, after in zip(one, two, strict=True):
            if before != after:
                return _first_difference(before, after, path)
    return path, one, two
