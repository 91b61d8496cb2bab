"""The built-in sentiment model: set phrases, moving quantities and opinion words. Pure."""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from ops_pipeline.adapters.textmodels.phrases import PATTERNS
from ops_pipeline.adapters.textmodels.words import (
    CLAUSE_BREAKS,
    CONCESSIONS,
    DIRECTION,
    HEDGES,
    LEVEL_VERBS,
    MARKET_MOVES,
    NEGATIONS,
    NOUNS,
    OPINION,
    TRANSITIVE,
)
from ops_pipeline.domain.news import TextScore
from ops_pipeline.domain.units import round_event_float

VERSION: Final = "lexicon-1"
# Where three classes are wanted, a sentiment nearer to 0 than this is neutral.
NEUTRAL_BAND: Final = 0.3
# Longer texts add no opinion, only time: N1 allows two seconds a document.
_MAX_CHARS: Final = 4_000
_TOKEN: Final = re.compile(
    r"[a-z][a-z&]*(?:['’-][a-z]+)*|[$€£+-]?\d[\d,]*(?:\.\d+)?%?|[;:!?.,|]|[\U0001F680\U0001F4C8\U0001F4C9]"
)
_NOISE: Final = re.compile(r"https?://\S+|[@#]\w+")
_COMPARED: Final = re.compile(r"\b(?:compared (?:to|with)|from|versus|vs\.?|against)\s")
_AMOUNT: Final = re.compile(
    r"""(-?\d[\d,]*(?:\.\d+)?)\s*
    (?:(thousand|k|million|mn|mln|m|billion|bn|bln|b|trillion)\b|(%|pct\b|percent\b|per\ cent\b))?""",
    re.VERBOSE,
)
_SCALE: Final = {
    "thousand": 1e3, "k": 1e3, "million": 1e6, "mn": 1e6, "mln": 1e6, "m": 1e6,
    "billion": 1e9, "bn": 1e9, "bln": 1e9, "b": 1e9, "trillion": 1e12,
}  # fmt: skip
_PICTURES: Final = {"\U0001f680": 1.0, "\U0001f4c8": 0.8, "\U0001f4c9": -0.8}
_LOOK_BACK: Final = 9
_LOOK_AHEAD: Final = 5
_BARE_LOSS: Final = frozenset({"loss", "losses", "deficit"})
_POSITIONAL: Final = frozenset({"up", "down", "higher", "lower"})
_SIGNED_PERCENT: Final = re.compile(r"[+-]\d[\d,]*(?:\.\d+)?%")


class _Weights(NamedTuple):
    """How much each kind of evidence counts."""

    moving_noun: float = 1.0
    bare_market_move: float = 0.7
    bare_move: float = 0.25
    compared_amounts: float = 1.0
    bare_loss: float = -0.6
    negation: float = -0.6
    hedge: float = 0.7
    concession: float = 0.3
    question: float = 0.4


_WEIGHTS: Final = _Weights()


class LexiconModel:
    """Score English finance text from words and rules alone."""

    version = VERSION

    def score(self, text: str) -> TextScore:
        """Read `text` as sentiment -1..1; confidence grows with the evidence, 0 without any."""
        return score_text(text)


def score_text(text: str) -> TextScore:
    """Read `text` as sentiment -1..1; confidence grows with the evidence, 0 without any."""
    plain = _NOISE.sub(
        " ", text[:_MAX_CHARS].lower().replace("’", "'").replace("\xa0", " ").replace("vs. ", "vs ")
    )
    evidence: list[float] = []
    plain = _take_phrases(plain, evidence)
    for clause in _clauses(_TOKEN.findall(plain)):
        evidence.extend(_read_clause(clause))
    if not any(abs(value) >= _WEIGHTS.moving_noun for value in evidence):
        evidence.extend(_compare_amounts(plain))
    total = sum(evidence)
    if text.rstrip().endswith("?"):
        total *= _WEIGHTS.question
    found = sum(abs(value) for value in evidence)
    return TextScore(
        sentiment=round_event_float(total / (1.0 + abs(total))),
        confidence=round_event_float(abs(total) / (1.0 + found)),
    )


def _take_phrases(plain: str, evidence: list[float]) -> str:
    """Move the weight of each set phrase into `evidence` and blank it out of the text."""
    for weight, pattern in PATTERNS:
        for match in pattern.finditer(plain):
            before = _TOKEN.findall(plain[max(0, match.start() - 30) : match.start()])
            if weight:
                evidence.append(weight * _modality(before, len(before)))
        plain = pattern.sub(" _ ", plain)
    return plain


def _clauses(tokens: Sequence[str]) -> Iterator[list[str]]:
    """Split at sentence ends and contrasting conjunctions; each clause keeps its opener."""
    clause: list[str] = []
    for token in tokens:
        if token in CLAUSE_BREAKS and clause:
            yield clause
            clause = []
        clause.append(token)
    if clause:
        yield clause


def _read_clause(clause: Sequence[str]) -> Iterator[float]:
    """Yield the signed evidence of one clause."""
    weight = _WEIGHTS.concession if clause[0] in CONCESSIONS else 1.0
    used: set[int] = set()
    found: list[float] = []
    for position, token in enumerate(clause):
        if token in DIRECTION or token in TRANSITIVE:
            moved = _read_move(clause, position, used)
            if moved is not None:
                used.add(position)
                found.append(moved * _modality(clause, position))
    for position, token in enumerate(clause):
        if position in used:
            continue
        if token in _BARE_LOSS:
            found.append(_WEIGHTS.bare_loss * _modality(clause, position))
        elif token in OPINION:
            found.append(OPINION[token] * _modality(clause, position))
        elif token in _PICTURES:
            found.append(_PICTURES[token])
        elif _SIGNED_PERCENT.fullmatch(token):
            found.append(_WEIGHTS.bare_market_move * (1.0 if token[0] == "+" else -1.0))
    for value in found:
        yield value * weight


def _read_move(clause: Sequence[str], position: int, used: set[int]) -> float | None:
    """Give what a direction word says of its noun: None where it says nothing."""
    token = clause[position]
    sign = TRANSITIVE.get(token) or DIRECTION[token]
    ahead = _noun_ahead(clause, position)
    behind = _noun_behind(clause, position, used)
    noun = ahead if token in TRANSITIVE or behind is None else behind
    if noun is None:
        noun = behind
    if noun is not None:
        used.add(noun)
        return sign * NOUNS[clause[noun]] * _WEIGHTS.moving_noun
    if token in _POSITIONAL and not _is_said_of_something(clause, position):
        return None
    if token in MARKET_MOVES or token in _POSITIONAL:
        return sign * _WEIGHTS.bare_market_move
    return sign * _WEIGHTS.bare_move if token in DIRECTION else None


def _noun_behind(clause: Sequence[str], position: int, used: set[int]) -> int | None:
    """Find the nearest quantity before `position` that no other move has claimed."""
    for index in range(position - 1, max(-1, position - _LOOK_BACK - 1), -1):
        if clause[index] in NOUNS and index not in used and not _is_unit(clause, index):
            return index
    return None


def _noun_ahead(clause: Sequence[str], position: int) -> int | None:
    """Find the quantity a move is said of after it, skipping what qualifies that quantity."""
    found = None
    for index in range(position + 1, min(len(clause), position + _LOOK_AHEAD + 1)):
        token = clause[index]
        if token in {",", "and", "as", "to", "from", "after", "by", "on", "at", "with"} or token in DIRECTION:
            break
        if token in NOUNS and not _is_unit(clause, index):
            found = index
            if NOUNS[token] <= 0:
                break
    return found


def _is_unit(clause: Sequence[str], index: int) -> bool:
    """Tell whether `share` is only a unit there: per share, a share."""
    return clause[index] == "share" and index > 0 and clause[index - 1] in {"per", "a", "cents"}


def _is_said_of_something(clause: Sequence[str], position: int) -> bool:
    """Tell whether up, down, higher or lower describes a level and not a phrasal verb."""
    before = clause[position - 1] if position else ""
    after = clause[position + 1 : position + 4]
    return (
        before in LEVEL_VERBS
        or bool(after and after[0] in {"premarket", "after", "sharply"})
        or any(token[-1].isdigit() or token.endswith("%") for token in after)
    )


def _modality(clause: Sequence[str], position: int) -> float:
    """Weigh what stands before `position`: a negation flips and damps, a hedge damps."""
    factor = 1.0
    for token in clause[max(0, position - 4) : position]:
        if token in NEGATIONS:
            factor *= _WEIGHTS.negation
        elif token in HEDGES:
            factor *= _WEIGHTS.hedge
    return factor


def _compare_amounts(plain: str) -> Iterator[float]:
    """Yield the sign of `noun ... amount compared with amount`, where both amounts are alike."""
    for sentence in re.split(r"[.;](?:\s|$)", plain):
        link = _COMPARED.search(sentence)
        if link is None:
            continue
        now = _last_amount(sentence[: link.start()])
        then = _first_amount(sentence[link.end() :])
        if now is None or then is None or now == then:
            continue
        tokens = _TOKEN.findall(sentence[: link.start()])
        noun = next((token for token in tokens if NOUNS.get(token)), None)
        if noun is not None:
            yield (1.0 if now > then else -1.0) * NOUNS[noun] * _WEIGHTS.compared_amounts


def _amounts(text: str) -> list[float]:
    """List the amounts of `text` scaled to units, percentages as they stand."""
    return [
        float(match[1].replace(",", "")) * _SCALE.get(match[2] or "", 1.0)
        for match in _AMOUNT.finditer(text)
        if match[2] or match[3] or not re.fullmatch(r"(?:19|20)\d\d", match[1])
    ]


def _last_amount(text: str) -> float | None:
    amounts = _amounts(text)
    return amounts[-1] if amounts else None


def _first_amount(text: str) -> float | None:
    amounts = _amounts(text)
    return amounts[0] if amounts else None
