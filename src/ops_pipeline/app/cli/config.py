"""`ops config check` and `ops symbols check`: what the settings are and what they can do. Shell."""

from pathlib import Path
from typing import Annotated

import typer

from ops_pipeline.app.cli import shared, tables
from ops_pipeline.app.cli.opening import opened

config_app = typer.Typer(help="Look at the configuration.", no_args_is_help=True)
symbols_app = typer.Typer(help="Look at the universe.", no_args_is_help=True)


@config_app.command("check")
def config_check(
    file: Annotated[Path | None, typer.Argument(help="TOML file; default: config/demo.toml.")] = None,
    changed: Annotated[bool, typer.Option("--changed", help="Only settings that differ.")] = False,
    as_json: shared.Json = False,
) -> None:
    """Read settings, cross-check them, and show every key with its default; errors exit with 2."""
    from ops_pipeline.app.checks import check_settings
    from ops_pipeline.app.cli.running import shipped
    from ops_pipeline.app.settings import load_settings
    from ops_pipeline.app.settings_table import setting_rows

    path = file or shipped("demo.toml")
    settings = load_settings(path)
    findings = check_settings(settings)
    rows = list(setting_rows(settings))
    shown = [row for row in rows if row["differs"]] if changed else rows
    errors = [finding.text for finding in findings if finding.is_error]
    warnings = [finding.text for finding in findings if not finding.is_error]
    if as_json:
        hashed = settings.fingerprint()
        shared.print_json({"hash": hashed, "settings": shown, "errors": errors, "warnings": warnings})
    else:
        tables.print_table(
            [{**row, "differs": "*" if row["differs"] else ""} for row in shown], title=str(path)
        )
        tables.say(f"\nprofile {settings.profile}, hash {settings.fingerprint()}")
        for kind, texts, style in (("error", errors, "red"), ("warning", warnings, "yellow")):
            for text in texts:
                tables.say(f"{kind}: {text}", style=style)
        if not findings:
            tables.say("every cross-check passes", style="green")
    if errors:
        raise typer.Exit(shared.USAGE)


@symbols_app.command("check")
def symbols_check(
    config: shared.Config = None,
    account: shared.Account = None,
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Show which account can afford which symbol: of the simulated market, or with --run as a run saw it."""
    from ops_pipeline.app.affordability import affordability, affordability_seen
    from ops_pipeline.app.cli.running import shipped
    from ops_pipeline.app.settings import load_settings

    if run_id is not None:
        with opened(home, run_id) as (store, _):
            rows = affordability_seen(store)
        title, empty = "Affordable as the run saw it", "no verdict got as far as a price; see `ops verdicts`"
    else:
        rows = affordability(load_settings(config or shipped("demo.toml")))
        title, empty = "Affordable swings", "no symbol configured"
    rows = [row for row in rows if account in (None, row["account"])]
    barred = [f"{row['account']} {row['symbol']}" for row in rows if not row["affordable"]]
    note = f"out of reach: {', '.join(barred)}" if barred else "every symbol is within reach"
    tables.print_listing(rows, title=title, as_json=as_json, empty=empty, note=note)
