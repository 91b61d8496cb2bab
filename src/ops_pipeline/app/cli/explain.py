"""`ops explain`: why a signal, order or position is what it is. Shell."""

from typing import Annotated

import typer

from ops_pipeline.app.cli import shared, tables

# What another column says already, in the table for people.
_HIDDEN = {"Orders": ("purpose", "side", "sent")}


def explain(
    wanted: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="Signal, order or position id (its beginning is enough), or a ticker."
        ),
    ],
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Tell the whole story of an id: news, features, every gate, orders, marks, exits, result."""
    from ops_pipeline.app.cli.opening import opened
    from ops_pipeline.app.evidence import explain_id

    with opened(home, run_id) as (store, _):
        story = explain_id(store, wanted)
    if as_json:
        sections = [{"title": section.title, "rows": section.rows} for section in story.sections]
        shared.print_json({"id": story.id, "kind": story.kind, "sections": sections})
        return
    tables.say(f"{story.kind} {story.id}", style="bold")
    for section in story.sections:
        if len(section.rows) == 1:
            tables.print_facts(section.rows[0], title=section.title)
        else:
            tables.print_table(section.rows, title=section.title, hide=_HIDDEN.get(section.title, ()))
    tables.say("\nTimes are New York's; --json has every amount and instant in full.", style="dim")
