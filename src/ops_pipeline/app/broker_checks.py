"""Cross-checks of the broker's settings: hosts, modes, feeds, each account's place for its keys. Pure."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from ops_pipeline.app.broker_options import DATA_HOST, LIVE_HOST, LOOPBACK, PAPER_HOST, STREAM_HOST
from ops_pipeline.app.findings import Finding
from ops_pipeline.app.settings import Settings
from ops_pipeline.domain.capabilities import Plan

_SCHEMES = {"trading_url": ("https", "http"), "data_url": ("https", "http"), "stream_url": ("wss", "ws")}


def check_broker(settings: Settings) -> Iterator[Finding]:
    """Find what contradicts itself in the broker's settings and the accounts' ties to it."""
    if settings.broker.kind == "simulator":
        yield from _simulated(settings)
        return
    yield from _addresses(settings)
    yield from _feeds(settings)
    yield from _places(settings)
    for account in settings.accounts:
        if not account.number:
            yield Finding(
                f"accounts.{account.id}.number: no broker account is pinned; `ops run` refuses to start "
                f"until it is (OPS__ACCOUNTS__{account.id.upper().replace('-', '_')}__NUMBER)",
                is_error=False,
            )
    if settings.holdings or settings.operator:
        yield Finding(
            "holdings, operator: expected none beside a broker, they are the simulator's", is_error=True
        )


def _simulated(settings: Settings) -> Iterator[Finding]:
    for account in settings.accounts:
        if not account.number:
            yield Finding(f"accounts.{account.id}.number: expected a number, was none", is_error=True)
    if settings.broker.mode == "live":
        yield Finding("broker.mode: expected kind = 'alpaca' beside live, was simulator", is_error=True)


def _addresses(settings: Settings) -> Iterator[Finding]:
    """Ask that each address is the broker's own for the mode, or that all are of this machine."""
    broker = settings.broker
    trading = LIVE_HOST if broker.mode == "live" else PAPER_HOST
    addresses = {
        "trading_url": (broker.trading_address, trading),
        "data_url": (broker.data_address, DATA_HOST),
        "stream_url": (broker.stream_address, STREAM_HOST),
    }
    local = []
    for name, (address, host) in addresses.items():
        parts = urlsplit(address)
        secure, open_ = _SCHEMES[name]
        local.append(parts.hostname in LOOPBACK)
        fits = parts.hostname == host and parts.scheme == secure
        if not fits and not (local[-1] and parts.scheme == open_):
            yield Finding(
                f"broker.{name}: expected {secure}://{host} for {broker.mode}, or {open_}:// of this "
                f"machine, was {address}",
                is_error=True,
            )
    if any(local) and not all(local):
        yield Finding("broker: expected all addresses of this machine or none", is_error=True)
    if any(local) and broker.mode == "live":
        yield Finding("broker.mode: expected paper for addresses of this machine, was live", is_error=True)


def _feeds(settings: Settings) -> Iterator[Finding]:
    broker = settings.broker
    if broker.plan is Plan.BASIC and (broker.stock_feed, broker.option_feed) != ("iex", "indicative"):
        yield Finding(
            f"broker: expected the feeds iex and indicative on the plan basic, was {broker.stock_feed} and "
            f"{broker.option_feed}",
            is_error=True,
        )
    if broker.option_feed == "indicative" and not settings.quotes.allow_delayed:
        yield Finding(
            "broker.option_feed: indicative quotes are late; without quotes.allow_delayed nothing is bought",
            is_error=False,
        )


def _places(settings: Settings) -> Iterator[Finding]:
    """Ask that no two accounts take their keys from one place."""
    places: dict[tuple[str, str, str, str], str] = {}
    for account in settings.accounts:
        own = account.credentials
        name = account.id if own.name is None else own.name
        place = (own.source, name, own.file, own.region)
        if place in places:
            yield Finding(
                f"accounts: {places[place]} and {account.id} take their keys from one place ({own.source} "
                f"{name or 'without a name'}); each needs its own",
                is_error=True,
            )
        places[place] = account.id
