"""What the broker answered to probes, kept in the home folder with the day of each answer. Shell.

Answers belong to an account at a venue, not to a run: they outlive runs. An answer from paper says
nothing of live.
"""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ops_pipeline.app.interlocks import Venue
from ops_pipeline.domain.capabilities import Capability, Fact, Support
from ops_pipeline.domain.errors import ConfigurationError
from ops_pipeline.domain.units import AccountId

_FILE = "capabilities.json"
_SOURCE = "probe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one account at one venue was told; `detail` is the broker's own code and words."""

    venue: Venue
    account: AccountId
    capability: Capability
    support: Support
    on: date
    detail: str

    @property
    def fact(self) -> Fact:
        """Give the answer as a dated fact."""
        return Fact(self.capability, self.on, self.support, f"{_SOURCE}: {self.detail}")


def read_answers(home: Path) -> list[Answer]:
    """Give all answers, oldest first; ConfigurationError for a file that is none."""
    path = home / _FILE
    if not path.is_file():
        return []
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return [_answer(row) for row in rows]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigurationError(f"{path}: expected answers of probes, was none: {error}") from None


def add_answers(home: Path, answers: Iterable[Answer]) -> None:
    """Store answers beside those of other days; one of the same account, question and day is replaced."""
    kept = {_key(answer): answer for answer in (*read_answers(home), *answers)}
    rows = [asdict(answer) | {"on": answer.on.isoformat()} for answer in kept.values()]
    home.mkdir(parents=True, exist_ok=True)
    path = home / _FILE
    new = path.with_suffix(".new")
    with new.open("w", encoding="utf-8") as file:
        json.dump(rows, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def facts_of(answers: Sequence[Answer], *, venue: Venue, account: str) -> list[Fact]:
    """Give what an account was told at a venue, oldest first; what stayed unknown is no fact."""
    own = [a for a in answers if a.venue is venue and a.account == account]
    return [a.fact for a in sorted(own, key=lambda a: a.on) if a.support is not Support.UNKNOWN]


def _key(answer: Answer) -> tuple[str, str, str, date]:
    return answer.venue, answer.account, answer.capability, answer.on


def _answer(row: Any) -> Answer:
    return Answer(
        venue=Venue(row["venue"]),
        account=AccountId(str(row["account"])),
        capability=Capability(row["capability"]),
        support=Support(row["support"]),
        on=date.fromisoformat(row["on"]),
        detail=str(row["detail"]),
    )
