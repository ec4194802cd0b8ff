"""`doctor`: what is wrong with a home, and the command that mends it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alliancewatch.cli.shared import ConfigOption, JsonOption, now, one_line, print_json

if TYPE_CHECKING:
    from alliancewatch.doctor import Finding


def doctor(
    offline: Annotated[bool, typer.Option("--offline", help="Ask neither the mail server nor Prefect's.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Look at everything a run needs, and say what is wrong, stale or out of date, and what mends it. Changes nothing.

    Example: ALLIANCEWATCH_HOME=watch alliancewatch doctor
    """
    from alliancewatch.doctor import Health, examine
    from alliancewatch.settings import load_config

    loaded = load_config(os.environ, cwd=Path.cwd(), folder=config)
    asks_prefect = _prefect_problem if os.environ.get("PREFECT_API_URL") else None
    findings = list(examine(loaded, now=now(), offline=offline, prefect_problem=asks_prefect))
    worst = max((list(Health).index(finding.health) for finding in findings), default=0)
    if as_json:
        print_json({"home": loaded.home, "health": list(Health)[worst], "findings": findings})
    else:
        _print(findings)
    if list(Health)[worst] is Health.FAIL:
        raise typer.Exit(1)


def _prefect_problem() -> str | None:
    from prefect import get_client

    with get_client(sync_client=True) as client:
        problem = client.api_healthcheck()
        return f"{client.api_url}: {problem}" if problem else None


def _print(findings: list[Finding]) -> None:
    colours = {"ok": "green", "warn": "yellow", "fail": "red"}
    for finding in findings:
        typer.secho(f"{finding.health:5}", fg=colours[finding.health], nl=False)
        typer.echo(one_line(f" {finding.check}: {finding.found}"))
        if finding.mend:
            typer.echo(one_line(f"      → {finding.mend}"))
    warned, failed = (sum(finding.health == health for finding in findings) for health in ("warn", "fail"))
    typer.echo(f"{len(findings)} looked at, {warned} to think of, {failed} to mend")
