"""Gives a run what another was told, moment by moment, and counts what nobody was told. Shell."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from ops_pipeline.adapters.tape.forms import Form
from ops_pipeline.adapters.tape.lines import read_lines
from ops_pipeline.domain import errors
from ops_pipeline.domain.codec import encode
from ops_pipeline.ports import AccessRefused, BrokerUnavailable, RequestBudgetSpent

Answer = TypeVar("Answer")

# The order of these calls is part of what they say: asked once more, the last answer is no answer.
_IN_ORDER = ("broker ", "stream ")


class EndOfTape(BaseException):
    """A moment that was cut short asks for more than is left of it: the recorded process ended here."""


@dataclass(slots=True)
class Moment:
    """What began at `at`, the questions put in it and their answers; `torn`: cut short with its process.

    `changed` names questions whose line is not the one that was written.
    """

    kind: str
    at: datetime
    detail: Any
    life: int
    header: dict[str, Any]
    torn: bool = False
    questions: dict[str, list[Any]] = field(default_factory=dict)
    answers: dict[str, deque[dict[str, Any]]] = field(default_factory=dict)
    changed: list[list[Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Missing:
    """A question that was put at `at` and never recorded."""

    at: datetime
    port: str
    call: str
    about: tuple[Any, ...]


_RAISED: dict[str, type[Exception]] = {
    kind.__name__: kind
    for kind in (
        AccessRefused,
        RequestBudgetSpent,
        BrokerUnavailable,
        errors.MissingDataError,
        errors.ConfigurationError,
        errors.InvariantError,
    )
}


def read_moments(folder: Path) -> Iterator[Moment]:
    """Read a recording moment by moment; the last one of a life that did not end as it should is torn."""
    moment: Moment | None = None
    header: dict[str, Any] = {}
    for line in read_lines(folder):
        match line.values:
            case ["open", found]:
                if moment is not None and found["life"] != moment.life:
                    moment.torn = True
                    yield moment
                    moment = None
                header = found
            case ["at", kind, at, *detail]:
                if moment is not None:
                    yield moment
                moment = None
                if kind != "end":
                    instant, said = datetime.fromisoformat(at), detail[0] if detail else None
                    moment = Moment(kind, instant, said, header["life"], header)
            case _ if moment is not None:
                _add(moment, line.values, whole=line.whole)
    if moment is not None:
        moment.torn = True
        yield moment


def _add(moment: Moment, values: list[Any], *, whole: bool) -> None:
    """Add an answer to its moment; a line that is not the written one counts, and is named."""
    match values:
        case ["told", port, call, about, told]:
            question = [port, call, about]
            moment.questions[repr(question)] = question
            moment.answers.setdefault(repr(question), deque()).append(told)
        case ["again", port, call, about] if known := moment.answers.get(repr([port, call, about])):
            question = [port, call, about]
            known.append(known[-1])
        case _:
            question = ["recording", "line", []]
            whole = False
    if not whole:
        moment.changed.append(question)


class Player:
    """Implements `taped.Tape` from a recording; what it was never told it asks of ports that know nothing."""

    def __init__(self) -> None:
        """Stand before the first moment."""
        self.missing: list[Missing] = []
        self._moment: Moment | None = None

    def turn_to(self, moment: Moment) -> None:
        """Answer with what was told in `moment` from here on."""
        self._moment = moment

    def ask(
        self, port: str, call: str, about: Sequence[Any], form: Form[Answer], live: Callable[[], Answer]
    ) -> Answer:
        """Give the noted answer, or raise what was raised; the last one stands where more is asked."""
        question = [port, call, [encode(value) for value in about]]
        told = self._told(question)
        if told is None:
            self._miss(question)
            return live()
        if "raised" in told:
            kinds, text = told["raised"]
            raise next((_RAISED[kind] for kind in kinds if kind in _RAISED), errors.OpsError)(text)
        return form.read(told["is"])

    def _told(self, question: list[Any]) -> dict[str, Any] | None:
        answers = self._moment.answers.get(repr(question)) if self._moment is not None else None
        if not answers:
            return None
        stands = len(answers) == 1 and not question[0].startswith(_IN_ORDER)
        return answers[0] if stands else answers.popleft()

    def _miss(self, question: list[Any]) -> None:
        if self._moment is None:
            return
        if self._moment.torn:
            raise EndOfTape
        port, call, about = question
        self.missing.append(Missing(self._moment.at, port, call, tuple(about)))
