"""Scenarios of a broker that pushes its updates, and of what becomes of those. Pure."""

from datetime import timedelta

from ops_pipeline.domain.orders import Purpose
from ops_pipeline.domain.units import AccountId, to_usd4
from ops_pipeline.verify.kinds import Kind
from ops_pipeline.verify.lab import Lab
from ops_pipeline.verify.market import LabMarket, at
from ops_pipeline.verify.scenario import CALL, HELD, LARGE, OTHER, Plan, filled, flat, holding, market, signal
from ops_pipeline.verify.terms import LabAccount

_STOP = "option_stop_loss"
_THIRD = "KO260410C00500000"
# Rich enough for two names of ten contracts each.
_RICH = LabAccount(id=AccountId("rich"), cash=to_usd4("1000000"), options_level=2)


def _two_names(size: int = 100) -> LabMarket:
    made = market(size=size)
    made.put(at(14, 30), "1.20", "1.20", occ=OTHER, size=size)
    return made


def _bought(lab: Lab, *underlyings: str) -> list[str]:
    """Complain unless just these were bought."""
    ledger = lab.ledger(_RICH.id)
    found = [p.contract.underlying for p in ledger.open_positions if p.bought]
    return [] if found == list(underlyings) else [f"expected {list(underlyings)} bought, was {found}"]


def _stopped(lab: Lab, account: LabAccount) -> list[str]:
    sold = filled(lab, Purpose.EXIT, account)
    return [] if sold == HELD else [f"expected the stop to sell {HELD} contracts, was {sold}"]


def stream_tells_of_fills() -> Plan:
    """Be told of an entry's fills, one contract at a time, and of the stop's."""
    made = market(size=1)
    made.put(at(14, 43), "0.85", "0.90", occ=CALL, size=2)
    return Plan(
        market=made,
        acts=[signal()],
        end=at(14, 48),
        pushed=(),
        complaints=lambda lab: flat(lab, reason=_STOP),
    )


def updates_late_doubled_reordered() -> Plan:
    """Be told late, twice and in the wrong order: nothing is booked twice, nothing missed."""
    made = market(size=1)
    made.put(at(14, 43), "0.85", "0.90", occ=CALL, size=2)
    kinds = (Kind.UPDATE_LATE, Kind.UPDATES_REORDERED, Kind.UPDATE_DOUBLED, Kind.UPDATE_LOST)
    return Plan(
        market=made,
        acts=[signal()],
        end=at(14, 48),
        pushed=kinds * 4,
        complaints=lambda lab: flat(lab, reason=_STOP),
    )


def mute_socket() -> Plan:
    """Have a socket tell nothing though its heart beats: found out by the first order, it is replaced."""
    return Plan(
        market=_two_names(),
        accounts=(_RICH,),
        acts=[signal(), signal(at(14, 43), "XOM")],
        end=at(14, 46),
        pushed=(Kind.MUTE_SOCKET,),
        complaints=lambda lab: _bought(lab, "META", "XOM"),
    )


def silent_socket() -> Plan:
    """Have a socket fall silent altogether: the stop is sold all the same."""
    made = _two_names()
    made.put(at(14, 42), "0.85", "0.90", occ=CALL)
    return Plan(
        market=made,
        acts=[holding(), signal(ticker="XOM")],
        end=at(14, 46),
        pushed=(Kind.SILENT_SOCKET,),
        complaints=lambda lab: _stopped(lab, LARGE),
    )


def stream_away() -> Plan:
    """Lose the connection for a while: nothing is opened, the stop is sold, then entries go on."""
    made = _two_names()
    made.put(at(14, 41), "0.85", "0.90", occ=CALL)
    made.put(at(14, 30), "1.20", "1.20", occ=_THIRD)

    def complaints(lab: Lab) -> list[str]:
        # A process that starts meanwhile connects at once, and may then buy.
        alone = _bought(lab, "KO")
        return [*_stopped(lab, _RICH), *(alone if lab.lives == 1 or _bought(lab, "XOM", "KO") else [])]

    return Plan(
        market=made,
        accounts=(_RICH,),
        acts=[
            holding(account=_RICH),
            signal(at(14, 41, 30), "XOM", life=timedelta(seconds=40)),
            signal(at(14, 44), "KO"),
        ],
        end=at(14, 48),
        pushed=(Kind.STREAM_CLOSED, Kind.STREAM_CLOSED),
        complaints=complaints,
    )


STREAMS = (
    stream_tells_of_fills,
    updates_late_doubled_reordered,
    mute_socket,
    silent_socket,
    stream_away,
)
