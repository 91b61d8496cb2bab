"""`ops drill`: rehearses the kill switch on the simulator, on a scratch run of its own. Shell."""

import typer

from ops_pipeline.app.cli import shared


def drill(config: shared.Config = None, as_json: shared.Json = False) -> None:
    """Raise each kill level in turn on a simulated account and show what happens; exit 1 on a failure."""
    from ops_pipeline.app.settings import load_settings
    from ops_pipeline.verify.drill import rehearse

    seen = rehearse(load_settings(config))
    rows = [
        {"level": one.level, "check": one.check, "result": "PASS" if one.passed else "FAIL", "seen": one.seen}
        for one in seen
    ]
    shared.print_rows(rows, title="Drill of the kill switch", as_json=as_json)
    if not all(one.passed for one in seen):
        raise typer.Exit(shared.BROKEN)
