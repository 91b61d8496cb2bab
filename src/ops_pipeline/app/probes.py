"""Questions that only an order answers, asked on paper; each order is cancelled, and its end is seen. Shell.

A probe order is a purchase of one deep contract at one cent, which rests and cannot fill. A first, plain
one shows that orders are taken at all; where it is not, the other questions stay unanswered.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from ops_pipeline.app.answers import Answer
from ops_pipeline.app.interlocks import Venue
from ops_pipeline.domain.capabilities import Capability, Support
from ops_pipeline.domain.units import AccountId

_DUPLICATE, _UNPROCESSABLE, _FORBIDDEN = 409, 422, 403
_REFUSED = (_FORBIDDEN, _DUPLICATE, _UNPROCESSABLE)
_TAKEN = range(200, 300)
_NOBODY_KNOWS = 500
_ENDED = ("canceled", "expired", "rejected", "replaced")
_CENT = "0.01"
_LOOKS = 10
_LOOK_S = 0.5
# Contracts that expire neither this week nor so far away that they are not quoted.
_FIRST_DAYS, _LAST_DAYS = 20, 60
_LONG_ID = 128
_WORDS = 160


class Told(Protocol):
    """What was answered."""

    @property
    def status(self) -> int | None: ...
    @property
    def why(self) -> str: ...
    @property
    def body(self) -> Any: ...
    def field(self, name: str) -> Any: ...


class ProbeSide(Protocol):
    """What a probe needs of a broker."""

    def read(
        self, path: str, params: Mapping[str, str | int] | None = None, *, data: bool = False
    ) -> Told: ...
    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Told: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is asked of whom: `at` the broker's instant, `underlying` whose contracts are used."""

    account: AccountId
    venue: Venue
    options_level: int
    underlying: str
    option_feed: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """The answers of an instant, and the ids of probe orders whose end was not seen: a person has to look."""

    at: datetime
    answers: tuple[Answer, ...]
    left: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Said:
    support: Support
    detail: str


def probe(side: ProbeSide, scene: Scene, *, sleep: Callable[[float], None]) -> Probed:
    """Ask every question that can be asked now; the same order is never sent twice."""
    return _Probing(side, scene, sleep).run()


class _Probing:
    def __init__(self, side: ProbeSide, scene: Scene, sleep: Callable[[float], None]) -> None:
        self._side = side
        self._scene = scene
        self._sleep = sleep
        self._sent = 0
        self._left: list[str] = []

    def run(self) -> Probed:
        found = [
            Answer(
                venue=self._scene.venue,
                account=self._scene.account,
                capability=capability,
                support=said.support,
                on=self._scene.at.date(),
                detail=said.detail[:_WORDS],
            )
            for capability, said in self._ask()
        ]
        return Probed(at=self._scene.at, answers=tuple(found), left=tuple(self._left))

    def _ask(self) -> Iterator[tuple[Capability, _Said]]:
        yield Capability.GREEKS_INDICATIVE, self._greeks()
        contracts = self._contracts()
        if not contracts:
            return
        deep = contracts[0]
        control_id = self._new_id()
        control = self._place(self._order(deep, client_order_id=control_id))
        if control.status not in _TAKEN:
            return
        again = self._place(self._order(deep, client_order_id=control_id), fresh=False)
        yield Capability.ID_UNIQUE, _refusal(again)
        for placed in (control, again):
            if placed.status in _TAKEN:
                self._end(placed)
        yield Capability.ID_OF_128, self._taken(self._order(deep, client_order_id=self._long_id()))
        yield Capability.ID_SPENT_BY_REJECTION, self._spent(deep)
        yield Capability.TIF_GTC, self._taken(self._order(deep, time_in_force="gtc"))
        stop = {"type": "stop", "stop_price": "9999", "limit_price": None}
        yield Capability.TYPE_STOP, self._taken(self._order(deep, **stop))
        yield Capability.MARGIN_REJECTION_CODE, self._beyond_power(deep)
        if len(contracts) > 1:
            yield Capability.MLEG_REPLACE, self._replaced(deep, contracts[1])
        yield self._roll()

    def _contracts(self) -> list[str]:
        """Give calls of one expiry, the lowest strike first: worth far more than a cent."""
        first, last = (self._scene.at.date() + timedelta(days=days) for days in (_FIRST_DAYS, _LAST_DAYS))
        told = self._side.read(
            "/v2/options/contracts",
            {
                "underlying_symbols": self._scene.underlying,
                "type": "call",
                "status": "active",
                "expiration_date_gte": first.isoformat(),
                "expiration_date_lte": last.isoformat(),
                "limit": 1000,
            },
        )
        rows = told.field("option_contracts") or []
        able = [row for row in rows if isinstance(row, dict) and row.get("tradable") is True]
        able.sort(key=lambda row: (str(row.get("expiration_date")), _number(row.get("strike_price"))))
        return [str(row.get("symbol")) for row in able[:2]]

    def _greeks(self) -> _Said:
        path = f"/v1beta1/options/snapshots/{self._scene.underlying}"
        told = self._side.read(path, {"feed": self._scene.option_feed, "limit": 100}, data=True)
        rows = told.field("snapshots")
        if told.status not in _TAKEN or not isinstance(rows, dict) or not rows:
            return _Said(Support.UNKNOWN, _words(told))
        with_greeks = sum(isinstance(row, dict) and bool(row.get("greeks")) for row in rows.values())
        support = Support.YES if 2 * with_greeks >= len(rows) else Support.NO
        return _Said(
            support, f"{with_greeks} of {len(rows)} {self._scene.underlying} {self._scene.option_feed}"
        )

    def _taken(self, body: Mapping[str, Any]) -> _Said:
        told = self._place(body)
        if told.status in _TAKEN:
            self._end(told)
            return _Said(Support.YES, f"taken with {told.status}")
        support = Support.NO if told.status == _UNPROCESSABLE else Support.UNKNOWN
        return _Said(support, _words(told))

    def _spent(self, contract: str) -> _Said:
        """Ask whether an id that was rejected (for a tenth of a cent) may still be used."""
        own = self._new_id()
        refused = self._place(self._order(contract, client_order_id=own, limit_price="0.011"))
        if refused.status in _TAKEN:
            self._end(refused)
            return _Said(Support.UNKNOWN, "a price between ticks was taken")
        if refused.status not in _REFUSED:
            return _Said(Support.UNKNOWN, _words(refused))
        again = self._place(self._order(contract, client_order_id=own))
        if again.status in _TAKEN:
            self._end(again)
            return _Said(Support.NO, "a rejected id was taken")
        return _refusal(again)

    def _beyond_power(self, contract: str) -> _Said:
        """Ask what is said to an order that costs more than there is."""
        power = _number(self._side.read("/v2/account").field("options_buying_power"))
        told = self._place(self._order(contract, qty=str(int(power) + 1_000)))
        if told.status in _TAKEN:
            self._end(told)
            return _Said(Support.NO, f"taken with {told.status}")
        return _refusal(told)

    def _replaced(self, one: str, other: str) -> _Said:
        """Ask whether the price of a resting two-leg order can be replaced."""
        told = self._place(self._two_legs([_bought(one), _bought(other)], limit_price="0.02"))
        if told.status not in _TAKEN:
            return _Said(Support.UNKNOWN, _words(told))
        changed = self._side.send("PATCH", f"/v2/orders/{told.field('id')}", {"limit_price": "0.03"})
        if changed.status in _TAKEN:
            self._end(changed)
        self._end(told)
        return _Said(Support.YES, "replaced") if changed.status in _TAKEN else _refusal(changed)

    def _roll(self) -> tuple[Capability, _Said]:
        """Ask for a roll in one order, at a credit nobody pays; it needs a contract that is held."""
        below = self._scene.options_level < 3
        capability = Capability.MLEG_ROLL_LEVEL_2 if below else Capability.MLEG_ROLL
        held = self._held()
        if held is None:
            return capability, _Said(Support.UNKNOWN, "no contract is held that could be rolled")
        symbol, successor = held
        sold = _bought(symbol) | {"side": "sell", "position_intent": "sell_to_close"}
        return capability, self._taken(self._two_legs([sold, _bought(successor)], limit_price="-999"))

    def _held(self) -> tuple[str, str] | None:
        """Give a held contract that no order reserves, and one of its strike that expires later."""
        rows = self._side.read("/v2/positions").body
        for row in rows if isinstance(rows, list) else ():
            if row.get("asset_class") != "us_option" or _number(row.get("qty_available")) < 1:
                continue
            symbol = str(row.get("symbol"))
            contract = self._side.read(f"/v2/options/contracts/{symbol}")
            later = self._side.read(
                "/v2/options/contracts",
                {
                    "underlying_symbols": str(contract.field("underlying_symbol")),
                    "type": str(contract.field("type")),
                    "strike_price_gte": str(contract.field("strike_price")),
                    "strike_price_lte": str(contract.field("strike_price")),
                    "expiration_date_gte": str(contract.field("expiration_date")),
                    "expiration_date_lte": (self._scene.at.date() + timedelta(days=400)).isoformat(),
                },
            )
            found = [
                str(r.get("symbol"))
                for r in later.field("option_contracts") or []
                if r.get("symbol") != symbol
            ]
            if found:
                return symbol, found[0]
        return None

    def _order(self, contract: str, **changes: Any) -> dict[str, Any]:
        body = {
            "symbol": contract,
            "qty": "1",
            "side": "buy",
            "type": "limit",
            "time_in_force": "day",
            "limit_price": _CENT,
            "position_intent": "buy_to_open",
            "client_order_id": self._new_id() if "client_order_id" not in changes else "",
        }
        return {name: value for name, value in (body | changes).items() if value is not None}

    def _two_legs(self, legs: Sequence[Mapping[str, str]], *, limit_price: str) -> dict[str, Any]:
        """Describe a two-leg order; the parent has neither symbol nor side."""
        parent = self._order("", symbol=None, side=None, position_intent=None, limit_price=limit_price)
        return parent | {"order_class": "mleg", "legs": list(legs)}

    def _new_id(self) -> str:
        self._sent += 1
        return f"probe-{self._scene.at:%Y%m%dT%H%M%S}-{self._sent}"

    def _long_id(self) -> str:
        return self._new_id().ljust(_LONG_ID, "x")

    def _place(self, body: Mapping[str, Any], *, fresh: bool = True) -> Told:
        """Send an order; one without an answer is looked for by its id, so that none is left behind."""
        told = self._side.send("POST", "/v2/orders", body)
        if not fresh or (told.status is not None and told.status < _NOBODY_KNOWS):
            return told
        own = body["client_order_id"]
        found = self._side.read("/v2/orders:by_client_order_id", {"client_order_id": own})
        if found.status in _TAKEN:
            self._end(found)
        else:
            self._left.append(own)  # it may still arrive
        return told

    def _end(self, told: Told) -> None:
        """Cancel an order and look until it has ended."""
        order = str(told.field("id"))
        self._side.send("DELETE", f"/v2/orders/{order}")
        for _ in range(_LOOKS):
            if self._side.read(f"/v2/orders/{order}").field("status") in _ENDED:
                return
            self._sleep(_LOOK_S)
        self._left.append(order)


def _refusal(told: Told) -> _Said:
    """Read a refusal as the yes it is to 'is this refused'; anything else stays unknown or is a no."""
    if told.status in _REFUSED:
        return _Said(Support.YES, _words(told))
    return _Said(Support.NO if told.status in _TAKEN else Support.UNKNOWN, _words(told))


def _words(told: Told) -> str:
    if told.status is None:
        return told.why or "no answer"
    code, message = told.field("code"), told.field("message")
    return f"{told.status} {code or ''} {message or told.why}".replace("  ", " ").strip()


def _bought(symbol: str) -> dict[str, str]:
    return {"symbol": symbol, "ratio_qty": "1", "side": "buy", "position_intent": "buy_to_open"}


def _number(value: Any) -> float:
    """Read a number that came as text; what is none counts as 0."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0
