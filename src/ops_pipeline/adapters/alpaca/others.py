"""Rows of what others do on an account: those that cannot be read stop no read of what is ours. Pure."""

from collections.abc import Iterable

from ops_pipeline.adapters.alpaca.errors import WireError
from ops_pipeline.domain.ids import PREFIX
from ops_pipeline.domain.instruments import contract_of
from ops_pipeline.domain.records import Failed

_OPTION = "us_option"


class PassedOver:
    """Remembers what the newest read of each kind left out, and why."""

    def __init__(self) -> None:
        """Begin with nothing left out."""
        self._reasons: dict[str, list[str]] = {}

    def begin(self, kind: str) -> None:
        """Begin a read: what the one before left out is forgotten."""
        self._reasons[kind] = []

    def note(self, kind: str, error: WireError) -> None:
        """Remember a row that was left out."""
        self._reasons.setdefault(kind, []).append(str(error))

    def troubles(self) -> tuple[Failed, ...]:
        """Give how many rows of each kind were left out, and why the last one was."""
        return tuple(
            Failed(item=f"{kind} of others", error=f"left out {len(why)}, the last one for {why[-1]}")
            for kind, why in self._reasons.items()
            if why
        )


def is_others(symbols: Iterable[str | None], *, owner: str = "", asset_class: str | None = None) -> bool:
    """Tell whether a row names something, and neither a contract nor an order of ours."""
    named = [symbol for symbol in symbols if symbol]
    is_ours = owner.startswith(PREFIX) or asset_class == _OPTION
    return bool(named) and not is_ours and not any(contract_of(symbol) for symbol in named)
