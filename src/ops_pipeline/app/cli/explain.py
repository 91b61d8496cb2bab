"""`ops explain`: why a signal, order or position is what it is. Shell."""

from typing import Annotated

import typer

from ops_pipeline.app.cli import shared


def explain(
    wanted: Annotated[str, typer.Argument(metavar="ID", help="Signal, order or position id, or a ticker.")],
    home: shared.Home = shared.DEFAULT_HOME,
    run_id: shared.RunId = None,
    as_json: shared.Json = False,
) -> None:
    """Tell the whole story of an id: news, features, every gate, orders, marks, exits, result."""
    from ops_pipeline.app.cli.inspect import opened
    from ops_pipeline.app.story import tell

    with opened(home, run_id) as (store, _):
        sections = tell(store, wanted)
    if as_json:
        shared.print_json({"id": wanted, "sections": [{"title": s.title, "rows": s.rows} for s in sections]})
        return
    for section in sections:
        if len(section.rows) == 1:
            shared.print_facts(section.rows[0], title=section.title)
        else:
            shared.print_rows(section.rows, title=f"\n{section.title}", as_json=False, empty="none")
