"""Shows how far a recording was read or replayed. Shell."""

from typing import TYPE_CHECKING, Self

from ops_pipeline.app.cli import shared

if TYPE_CHECKING:
    from ops_pipeline.adapters.tape.player import Moment


class MomentProgress:
    """One line that moves with the instant that is reached; silent where JSON is asked for."""

    def __init__(self, *, quiet: bool, what: str = "replayed") -> None:
        from rich.progress import Progress, TextColumn, TimeElapsedColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=shared.errors,
            disable=quiet,
            transient=True,
        )
        self._what = what
        self._task = self._bar.add_task("reading the recording", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def after_moment(self, moment: "Moment") -> None:
        """Show the instant that was reached."""
        self._bar.update(self._task, description=f"{self._what} up to {moment.at:%Y-%m-%d %H:%M:%S} UTC")
