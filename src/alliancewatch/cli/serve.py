"""`serve`: the schedules, and a Prefect server for them unless there is one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Annotated

import typer

from alliancewatch.cli.shared import ConfigOption, load, say
from alliancewatch.errors import FlowError
from alliancewatch.flow_setup import configure
from alliancewatch.resources import resource

GRACE_S = 8.0
"""How long the children may take to end before they are killed; a service manager waits a little longer."""


def serve(
    port: Annotated[int, typer.Option(help="Port of the Prefect server that is started, on loopback.")] = 4200,
    config: ConfigOption = None,
) -> None:
    """Run the flows on their schedules until SIGTERM or Ctrl-C; deployments can be triggered by hand meanwhile.

    Example: alliancewatch serve --port 4200
    """
    loaded = load(config)
    schedule = loaded.settings.schedule
    configure(str(loaded.home), str(config) if config else None)
    environment = {**os.environ, "ALLIANCEWATCH_HOME": str(loaded.home)}
    commands = []
    if "PREFECT_API_URL" not in environment:
        environment["PREFECT_API_URL"] = f"http://127.0.0.1:{port}/api"
        server = ["-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
        commands.append([sys.executable, *server])
    folder = [str(config.absolute())] if config else []
    commands.append([sys.executable, str(resource("flows", "serve.py")), *folder])
    say(f"Prefect: {environment['PREFECT_API_URL']}")
    say(f"ingest at `{schedule.ingest}`, digest at `{schedule.digest}`, {schedule.zone}; Ctrl-C ends it")
    with _children(commands, environment) as children:
        while all(child.poll() is None for child in children):
            time.sleep(0.2)
    raise FlowError("a process of `serve` ended by itself: see its last lines above, expected it to run until stopped")


@contextlib.contextmanager
def _children(commands: list[list[str]], environment: dict[str, str]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """The commands running, each with its own children as one group; at the end none of them is left."""

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    children = [
        subprocess.Popen(command, env=environment, start_new_session=True)  # noqa: S603 (our own commands)
        for command in commands
    ]
    try:
        yield children
    finally:
        deadline = time.monotonic() + GRACE_S
        for child in reversed(children):
            child.terminate()
        for child in reversed(children):
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(max(0.0, deadline - time.monotonic()))
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
