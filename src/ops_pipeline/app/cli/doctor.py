"""`ops doctor` and `ops live-token`: is everything there, does the broker agree, may it be live. Shell."""

from typing import Annotated

import typer

from ops_pipeline.app.cli import shared

Broker = Annotated[
    bool, typer.Option("--broker", help="Ask the broker as well: account, clock, calendar, feeds.")
]
Probe = Annotated[
    bool,
    typer.Option(
        "--probe",
        help="Send orders that cannot fill, to learn what is not documented; on paper, beside no run.",
    ),
]


def doctor(
    config: shared.Config = None,
    broker: Broker = False,
    account: shared.Account = None,
    probe: Probe = False,
    home: shared.Home = shared.DEFAULT_HOME,
    as_json: shared.Json = False,
) -> None:
    """Check settings, calendar, clock, database and broker; exit 1 where one fails or stays unknown."""
    from ops_pipeline.app.cli.running import shipped
    from ops_pipeline.app.examine import examine
    from ops_pipeline.app.settings import environment, load_settings

    settings = load_settings(config or shipped("paper.toml"))
    found = examine(
        settings,
        home,
        environment=environment(),
        broker=broker or probe,
        account=account,
        probing=probe,
    )
    checks = [check.row() for check in found.checks]
    if as_json:
        shared.print_json({"failed": found.failed, "checks": checks, "capabilities": found.capabilities})
    else:
        shared.print_rows(checks, title="Doctor", as_json=False)
        unknown = sum(row["support"] == "unknown" for row in found.capabilities)
        if broker or probe:
            shared.print_rows(found.capabilities, title="What the broker does today", as_json=False)
        shared.console.print(
            f"{unknown} capabilities were never answered: the careful way is taken for each "
            f"(`ops doctor --probe` asks, on paper)"
        )
    raise typer.Exit(shared.BROKEN if found.failed else shared.OK)


def live_token(
    account: Annotated[str, typer.Option("--account", help="The account that is to trade real money.")],
    config: shared.Config = None,
    hours: Annotated[int, typer.Option("--hours", min=1, max=24, help="How long the token is good.")] = 1,
) -> None:
    """Sign the word for a start without a terminal: for one account, this code, and some hours."""
    from datetime import timedelta

    from ops_pipeline.app.cli.running import shipped
    from ops_pipeline.app.clock import WallClock
    from ops_pipeline.app.confirmation import sign_confirmation
    from ops_pipeline.app.credentials import load_credentials
    from ops_pipeline.app.process import build_hash
    from ops_pipeline.app.settings import environment, load_settings
    from ops_pipeline.domain.errors import ConfigurationError

    settings = load_settings(config or shipped("paper.toml"))
    own = next((row for row in settings.accounts if row.id == account), None)
    if own is None or not own.number:
        raise ConfigurationError(f"--account: expected one with a pinned number, was {account!r}")
    secret = load_credentials(own, environment=environment()).secret.reveal()
    until = WallClock().now() + timedelta(hours=hours)
    typer.echo(sign_confirmation(secret.encode(), number=own.number, build=build_hash(), until=until))
