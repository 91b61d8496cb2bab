"""`ops config check` and `ops symbols check`: what the settings are and what they can do. Shell."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ops_pipeline.app.cli import shared

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

    settings = load_settings(file or shipped("demo.toml"))
    findings = check_settings(settings)
    defaults = _flat(load_settings().model_dump(mode="json"))
    rows = [
        {"key": key, "value": value, "default": defaults.get(key), "differs": value != defaults.get(key)}
        for key, value in _flat(settings.model_dump(mode="json")).items()
    ]
    shown = [row for row in rows if row["differs"]] if changed else rows
    errors = [finding.text for finding in findings if finding.is_error]
    warnings = [finding.text for finding in findings if not finding.is_error]
    if as_json:
        hashed = settings.fingerprint()
        shared.print_json({"hash": hashed, "settings": shown, "errors": errors, "warnings": warnings})
    else:
        shared.print_rows(shown, title=f"Settings {settings.fingerprint()}", as_json=False)
        for kind, texts in (("error", errors), ("warning", warnings)):
            for text in texts:
                shared.console.print(f"{kind}: {text}", markup=False)
        if not findings:
            shared.console.print("every cross-check passes")
    if errors:
        raise typer.Exit(shared.USAGE)


@symbols_app.command("check")
def symbols_check(
    config: shared.Config = None, account: shared.Account = None, as_json: shared.Json = False
) -> None:
    """Show which account can afford which symbol of the simulated market."""
    from ops_pipeline.app.affordability import affordability
    from ops_pipeline.app.cli.running import shipped
    from ops_pipeline.app.settings import load_settings

    settings = load_settings(config or shipped("demo.toml"))
    rows = [row for row in affordability(settings) if account in (None, row["account"])]
    shared.print_rows(rows, title="Affordable swings (dollars)", as_json=as_json)


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Spell a nested tree as dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
