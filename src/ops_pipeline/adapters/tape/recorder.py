"""Notes what a run is told, moment by moment; a disk that fails ends the recording, never the run. Shell."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from ops_pipeline.adapters.tape.forms import Form
from ops_pipeline.adapters.tape.lines import LineWriter
from ops_pipeline.domain.codec import MISFITS, encode

Answer = TypeVar("Answer")


class Recorder:
    """Implements `taped.Tape` over live ports.

    A line for each moment, then one for each answer given in it; the same answer to the same question of
    a moment is not written twice. What ports ask of each other while they answer is not noted.
    """

    def __init__(self, writer: Callable[[], LineWriter], *, say: Callable[[str], None]) -> None:
        """Write to what `writer` opens with the first moment; `say` is told once where it fails."""
        self._open = writer
        self._writer: LineWriter | None = None
        self._say = say
        self._asking = False
        self._failed = False
        self._moment: list[Any] | None = None
        self._at: datetime | None = None
        self._known: dict[str, Any] = {}

    def begin(self, kind: str, at: datetime, detail: Any = None) -> None:
        """Say that something of `kind` begins at `at`; it is written once it asks, or is kept."""
        self._attempt(self._flush)
        self._moment = ["at", kind, at.isoformat(), *([] if detail is None else [detail])]
        self._at = at
        self._known.clear()

    def keep(self) -> None:
        """Write the moment although nothing was asked in it."""
        self._attempt(self._write_moment)

    def end(self) -> None:
        """Say that the process ends as it should."""
        if self._at is not None:
            self.begin("end", self._at)
            self.keep()
        self.close()

    def close(self) -> None:
        """Let the file go, with every line so far in it."""
        self._attempt(lambda: self._writer.close() if self._writer is not None else None)

    def ask(
        self, port: str, call: str, about: Sequence[Any], form: Form[Answer], live: Callable[[], Answer]
    ) -> Answer:
        """Ask the port itself and note what it said, or what it raised."""
        if self._asking:
            return live()
        self._asking = True
        try:
            answer = live()
        except Exception as error:
            # A kind that only one adapter knows is raised again as the nearest that the ports know.
            kinds = [kind.__name__ for kind in type(error).__mro__]
            raised = {"raised": [kinds, str(error)]}
            self._attempt(lambda: self._note(port, call, about, raised))
            raise
        finally:
            self._asking = False
        self._attempt(lambda: self._note(port, call, about, {"is": form.write(answer)}))
        return answer

    def _note(self, port: str, call: str, about: Sequence[Any], answer: dict[str, Any]) -> None:
        question = [port, call, [encode(value) for value in about]]
        key = repr(question)
        self._write_moment()
        if self._writer is None:
            return
        if self._known.get(key) == answer:
            self._writer.write(["again", *question])
        else:
            self._known[key] = answer
            self._writer.write(["told", *question, answer])
        if port.startswith("broker"):
            # What a broker was told to do is to be known even where this process ends with it.
            self._writer.flush()

    def _write_moment(self) -> None:
        if self._moment is None or self._at is None:
            return
        if self._writer is None:
            self._writer = self._open()
        moment, self._moment = self._moment, None
        self._writer.turn_to(self._at)
        self._writer.write(moment)

    def _flush(self) -> None:
        if self._writer is not None and self._moment is None:
            self._writer.flush()

    def _attempt(self, write: Callable[[], None]) -> None:
        if self._failed:
            return
        try:
            write()
        except (OSError, *MISFITS) as error:
            self._failed = True
            self._known.clear()
            self._say(f"the recording ends here, the run goes on: {type(error).__name__}: {error}")
