"""Requests and their answers as files of a run's folder: they outlive processes. Shell."""

import json
import os
from pathlib import Path

from ops_pipeline.app.runs import Run
from ops_pipeline.domain.codec import build, encode
from ops_pipeline.domain.controls import Answered, Request

_ANSWER = ".answer.json"


class Mailbox:
    """What was asked of one run, oldest first, and what became of it."""

    def __init__(self, run: Run) -> None:
        """Use the run's folder; nothing is created before something is asked."""
        self._folder = run.path / "requests"

    def post(self, request: Request) -> None:
        """Put a request down, whole or not at all, and on the disk."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        _write(self._folder / f"{request.id}.json", json.dumps(encode(request), indent=1))

    def pending(self) -> tuple[Request, ...]:
        """Give the requests without an answer, oldest first; a file that is none raises ValueError."""
        if not self._folder.is_dir():
            return ()
        names = sorted(path.name for path in self._folder.glob("*.json"))
        answered = {name.removesuffix(_ANSWER) for name in names if name.endswith(_ANSWER)}
        asked = [name for name in names if not name.endswith(_ANSWER) and Path(name).stem not in answered]
        return tuple(_read(self._folder / name) for name in asked)

    def answer(self, request: Request, answered: Answered) -> None:
        """Say what became of a request; it is served no more."""
        _write(self._folder / f"{request.id}{_ANSWER}", json.dumps(encode(answered), indent=1))

    def answer_of(self, request: Request) -> Answered | None:
        """Give what became of a request; None: nobody has served it yet."""
        path = self._folder / f"{request.id}{_ANSWER}"
        if not path.is_file():
            return None
        answered: Answered = build(Answered, json.loads(path.read_text()))
        return answered

    def withdraw(self, request: Request) -> None:
        """Take a request back that nobody has served."""
        (self._folder / f"{request.id}.json").unlink(missing_ok=True)


def _read(path: Path) -> Request:
    try:
        request: Request = build(Request, json.loads(path.read_text()))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: expected a request, found something else: {error}") from error
    return request


def _write(path: Path, text: str) -> None:
    draft = path.with_suffix(".tmp")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
