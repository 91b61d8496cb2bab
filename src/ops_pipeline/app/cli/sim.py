"""`ops sim serve`: the embedded market behind Alpaca's REST paths and websockets. Shell."""

import json
import signal
from datetime import UTC, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ops_pipeline.app.cli import shared

if TYPE_CHECKING:
    from ops_pipeline.simserver.serving import VenueServer

sim_app = typer.Typer(help="The embedded market, served to anybody's Alpaca client.", no_args_is_help=True)

LOOPBACK = "127.0.0.1"
DEFAULT_PORT = 8787
DEFAULT_SEED = 7


@sim_app.callback()
def _sim() -> None:
    """Keep `serve` a command of its own."""


@sim_app.command()
def serve(
    *,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="0 takes any free port.")
    ] = DEFAULT_PORT,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = LOOPBACK,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the market.")] = DEFAULT_SEED,
    speed: Annotated[float, typer.Option("--speed", min=0.01, help="Market seconds a second.")] = 1.0,
    accounts: Annotated[
        Path | None, typer.Option("--accounts", help="TOML file of accounts and keys. Default: demo/demo.")
    ] = None,
    faults: Annotated[Path | None, typer.Option("--faults", help="TOML file of what goes wrong.")] = None,
    start: Annotated[
        datetime | None,
        typer.Option(
            "--start",
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
            help="Market time to begin at, UTC; a date alone: 30 minutes after its open.",
        ),
    ] = None,
    skip_nights: Annotated[
        bool, typer.Option("--skip-nights", help="Go on before the next open once a session is over.")
    ] = False,
    fees: Annotated[
        bool, typer.Option("--fees", help="Charge the regulatory fees of a live account.")
    ] = False,
    as_json: shared.Json = False,
) -> None:
    """Serve the embedded market over Alpaca's REST API and websockets until stopped."""
    from ops_pipeline.adapters.calendar.exchange import exchange_calendar
    from ops_pipeline.app.clock import SteadyClock
    from ops_pipeline.simserver.files import FaultPlan, read_accounts, read_faults
    from ops_pipeline.simserver.serving import VenueServer, open_port
    from ops_pipeline.simserver.terms import DEMO_ACCOUNT, FIRST_SESSION, VenueTerms
    from ops_pipeline.simserver.venue import Venue

    at = start.replace(tzinfo=UTC) if start is not None else None
    terms = VenueTerms(
        seed=seed,
        first_session=FIRST_SESSION if at is None else at.date(),
        start=None if at is None or at.time() == time() else at,
        speed=speed,
        skip_nights=skip_nights,
        regulatory_fees=fees,
        accounts=read_accounts(accounts) if accounts is not None else (DEMO_ACCOUNT,),
    )
    plan = read_faults(faults) if faults is not None else FaultPlan()
    with open_port(host, port) as taken:
        server = VenueServer(Venue(terms, calendar=exchange_calendar(), wall=SteadyClock()), taken, plan=plan)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda _number, _frame: server.stop())
        _introduce(server, as_json=as_json)
        server.serve_until_stopped()
    if not as_json:
        shared.errors.print("stopped", highlight=False, soft_wrap=True)


def _introduce(server: "VenueServer", *, as_json: bool) -> None:
    """Say where it listens, with which keys, what time it is there and how it is stopped."""
    terms = server.venue.terms
    with server.venue.at_work() as now:
        told: dict[str, Any] = {
            "url": f"http://{server.address}",
            "stream": f"ws://{server.address}/stream",
            "market_time": now.isoformat(),
            "speed": terms.speed,
            "seed": terms.seed,
            "accounts": [
                {"number": account.number, "key": account.key, "secret": account.secret}
                for account in terms.accounts
            ],
        }
    if as_json:
        typer.echo(json.dumps(told))
        return
    say = shared.errors.print
    say(
        f"Alpaca's API on {told['url']} (trading and data), {told['stream']}", highlight=False, soft_wrap=True
    )
    for account in terms.accounts:
        say(
            f"account {account.number}: key {account.key}, secret {account.secret}",
            highlight=False,
            soft_wrap=True,
        )
    say(
        f"market time {now:%Y-%m-%d %H:%M:%S} UTC, {terms.speed:g} x; stop with Ctrl-C",
        highlight=False,
        soft_wrap=True,
    )
