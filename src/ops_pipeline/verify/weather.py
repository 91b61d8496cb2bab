"""What happens to a host by chance: crashes, pauses, clock jumps, others at the broker. Shell."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random

from ops_pipeline.domain.orders import ActivityKind
from ops_pipeline.domain.units import ClientOrderId, Occ
from ops_pipeline.verify.fuse import Crash, Fuse
from ops_pipeline.verify.kinds import Kind
from ops_pipeline.verify.lab import Lab

# How often each happens, in parts per thousand of the points (crashes, zombies) or steps (the others); a
# seed draws one of each list, so that some weathers are quiet.
_CRASHES = (0, 0, 4, 12)
ZOMBIES = (0, 0, 3, 8)
_JUMPS = (0, 0, 0, 20)
_SALES = (0, 0, 0, 40)
_FOREIGNERS = (0, 0, 0, 40)
_BUSTS = (0, 0, 0, 40)
# Each take-over is another open database.
_MOST_TAKE_OVERS = 3
_DOWN_S = (0, 20)
_SHARES = 100
_JUMP_S = (20, 120)
# The prefix of order ids of another installation of this program.
_FOREIGN = "op1ffff-e-"


class Weather(Fuse):
    """What happens to the host by chance until the storm is over: crashes, pauses, jumps, other people."""

    def __init__(
        self, random: Random, fired: Counter[Kind], *, until: datetime, zombies: Sequence[int] = ZOMBIES
    ) -> None:
        """Draw how much of each there is; `zombies` are the rates of pauses drawn from."""
        super().__init__()
        self._random = random
        self._fired = fired
        self._until = until
        self._crashes = random.choice(_CRASHES)
        self._zombies = random.choice(zombies)
        self._taken_over = 0
        self._jumps = random.choice(_JUMPS)
        self._sales = random.choice(_SALES)
        self._foreigners = random.choice(_FOREIGNERS)
        self._busts = random.choice(_BUSTS)
        self._busted: set[str] = set()
        self.lab: Lab | None = None

    def point(self, what: str) -> None:
        """Die, or be taken over from, by chance."""
        lab = self.lab
        if lab is None or not self.armed or lab.clock.now() >= self._until:
            return
        self.points += 1
        drawn = self._random.randrange(1_000)
        if drawn < self._crashes:
            self._fired[Kind.CRASH] += 1
            raise Crash(what)
        if drawn < self._crashes + self._zombies and self._taken_over < _MOST_TAKE_OVERS:
            self._taken_over += 1
            self._fired[Kind.ZOMBIE] += 1
            lab.take_over()

    def step(self, lab: Lab) -> None:
        """Let the host be suspended, or somebody else act, by chance."""
        now = lab.clock.now()
        if now >= self._until:
            return
        for chance, happen in (
            (self._jumps, self._jump),
            (self._sales, self._sale_by_hand),
            (self._foreigners, self._foreign_order),
            (self._busts, self._bust),
        ):
            if self._random.randrange(1_000) < chance:
                happen(lab)

    def down(self) -> timedelta:
        """Give how long a dead process stays dead."""
        return timedelta(seconds=self._random.randint(*_DOWN_S))

    def _jump(self, lab: Lab) -> None:
        self._fired[Kind.CLOCK_JUMP] += 1
        lab.be_off(timedelta(seconds=self._random.randint(*_JUMP_S)), "host suspended")

    def _bust(self, lab: Lab) -> None:
        """Let the exchange take an execution of ours back, where the account holds what that undoes."""
        oracle = lab.oracles[self._random.choice(lab.accounts)]
        oracle.advance()
        fills = [row.fill for row in oracle.book.activities if row.kind is ActivityKind.FILL and row.fill]
        for fill in fills:
            held = oracle.book.holdings.get(fill.occ)
            free = (held.qty if held else 0) - oracle.for_sale(fill.occ)
            if fill.client_order_id and fill.execution_id not in self._busted and fill.qty <= free:
                self._busted.add(fill.execution_id)
                self._fired[Kind.BUST] += 1
                back = fill.price * fill.qty * _SHARES + fill.fees
                oracle.happen(ActivityKind.BUST, fill.occ, -fill.qty, back, fill=fill)
                return

    def _sale_by_hand(self, lab: Lab) -> None:
        account = self._random.choice(lab.accounts)
        oracle = lab.oracles[account]
        oracle.advance()
        for symbol, holding in sorted(oracle.book.holdings.items()):
            free = holding.qty - oracle.for_sale(Occ(symbol))
            quote = lab.terms.market.quotes([Occ(symbol)], now=lab.clock.now()).get(Occ(symbol))
            if free > 0 and quote is not None and quote.bid:
                self._fired[Kind.MANUAL_SALE] += 1
                oracle.trade_by_hand(Occ(symbol), -self._random.randint(1, free), quote.bid)
                return

    def _foreign_order(self, lab: Lab) -> None:
        """Let another installation with the same account place an order that rests."""
        account = self._random.choice(lab.accounts)
        held = sorted(lab.oracles[account].book.holdings)
        if held:
            self._fired[Kind.FOREIGN_ORDER] += 1
            name = ClientOrderId(f"{_FOREIGN}{self._fired[Kind.FOREIGN_ORDER]}")
            lab.oracles[account].foreign_order(name, Occ(held[0]), 1, 1_000)
