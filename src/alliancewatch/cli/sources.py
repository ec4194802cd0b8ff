"""`sources`: the catalogue as a table."""

from __future__ import annotations

from typing import Annotated

import typer

from alliancewatch.cli.shared import ConfigOption, JsonOption, load, print_json

sources_app = typer.Typer(help="The publishers that are watched.", no_args_is_help=True)


@sources_app.callback()
def _sources() -> None:
    """The publishers that are watched."""


@sources_app.command("list")
def list_sources(
    every: Annotated[bool, typer.Option("--all", help="Also those switched off, with the reason.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List the sources of an ordinary run.

    Example: alliancewatch sources list --all
    """
    catalogue = load(config).sources
    shown = catalogue.sources if every else catalogue.enabled()
    if as_json:
        for source in shown:
            print_json(source.model_dump(mode="json"))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE)
    for heading in ("id", "name", "lang", "paywall", "looked for in", "state"):
        table.add_column(heading, overflow="fold")
    for source in shown:
        places = [f"{len(found)} {name}" for name in ("feeds", "sitemaps") if (found := getattr(source, name))]
        state = "on" if source.enabled else f"off: {source.reason}"
        table.add_row(
            source.id, source.name, " ".join(source.lang), source.paywall, ", ".join(places) or "listing", state
        )
    Console(highlight=False, markup=False).print(table)
    typer.echo(f"{len(catalogue.enabled())} of {len(catalogue.sources)} sources are on")
