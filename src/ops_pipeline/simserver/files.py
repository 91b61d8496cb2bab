"""The files a venue is opened with: its accounts, and what goes wrong. Shell."""

import tomllib
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import Any

from ops_pipeline.domain.errors import ConfigurationError
from ops_pipeline.domain.units import to_usd4
from ops_pipeline.simserver.faults import FaultRule, read_rules
from ops_pipeline.simserver.stream_faults import NO_FAULTS, StreamFaults
from ops_pipeline.simserver.terms import AccountTerms


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlan:
    """What a fault file says: its seed, the rules of requests and what befalls pushed messages."""

    seed: int = 0
    rules: tuple[FaultRule, ...] = ()
    streams: StreamFaults = NO_FAULTS


def read_accounts(path: Path) -> tuple[AccountTerms, ...]:
    """Read `[[account]]` tables: number, key, secret, equity_usd and what else differs from the default."""
    table = _table(path)
    _refuse_unknown(path, table, ("account",))
    rows = table.get("account", [])
    if not isinstance(rows, list) or not rows:
        raise ConfigurationError(f"{path}: expected [[account]] tables, was none")
    return tuple(_account(f"{path}, account {place}", row) for place, row in enumerate(rows, 1))


def read_faults(path: Path) -> FaultPlan:
    """Read `seed`, `[[rule]]` tables for requests and a `[streams]` table for pushed messages."""
    table = _table(path)
    _refuse_unknown(path, table, ("seed", "rule", "streams"))
    seed = table.get("seed", 0)
    if type(seed) is not int:
        raise ConfigurationError(f"{path}: expected a whole number for seed, was {seed!r}")
    streams = table.get("streams", {})
    if not isinstance(streams, dict):
        raise ConfigurationError(f"{path}: expected a [streams] table, was {streams!r}")
    _refuse_unknown(path, streams, [field.name for field in fields(StreamFaults)])
    for name, value in streams.items():
        wanted = bool if name == "pongs" else (int, float)
        if not isinstance(value, wanted) or (isinstance(value, bool) and name != "pongs"):
            raise ConfigurationError(f"{path}: expected another value for streams.{name}, was {value!r}")
    return FaultPlan(seed=seed, rules=read_rules(table.get("rule", [])), streams=StreamFaults(**streams))


def _account(where: str, row: dict[str, Any]) -> AccountTerms:
    known = [field.name for field in fields(AccountTerms) if field.name != "equity"]
    _refuse_unknown(where, row, [*known, "equity_usd"])
    missing = [name for name in ("number", "key", "secret", "equity_usd") if name not in row]
    if missing:
        raise ConfigurationError(f"{where}: expected {', '.join(missing)}")
    for name, value in row.items():
        wanted = str if name in ("number", "key", "secret") else (int, float) if name == "equity_usd" else int
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise ConfigurationError(f"{where}: expected another value for {name}, was {value!r}")
    try:
        equity = to_usd4(Decimal(str(row["equity_usd"])))
    except ValueError as error:
        raise ConfigurationError(f"{where}: {error}") from error
    rest = {name: value for name, value in row.items() if name != "equity_usd"}
    return AccountTerms(equity=equity, **rest)


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: expected a file that can be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: expected TOML: {error}") from error


def _refuse_unknown(where: object, table: dict[str, Any], known: "list[str] | tuple[str, ...]") -> None:
    unknown = sorted(set(table) - set(known))
    if unknown:
        raise ConfigurationError(f"{where}: expected keys of {', '.join(known)}, was {', '.join(unknown)}")
