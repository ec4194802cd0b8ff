"""What must be so before Prefect is imported. Imports nothing of Prefect itself.

A flow started by hand, by `alliancewatch ingest` or by a scheduler finds the same: Prefect's state inside the home, no
server and no account needed, nothing reported to anyone, and our own errors as one line instead of a trace.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alliancewatch.errors import AllianceWatchError, FlowError
from alliancewatch.settings import Config, load_config, prefect_environment

PREFECT_ROOM_BYTES = 16 * 1024 * 1024
"""A new home's Prefect database takes 5 MB, and its log as much again."""


def configure(home: str | None = None, config: str | None = None) -> Config:
    """The configuration for a flow run, with the environment prepared for Prefect.

    A variable that is set already stays as it is: an operator's Prefect server is used. Raises `FlowError` when Prefect
    would find no place for its state, which it tells only after minutes.
    """
    loaded = load_config(
        os.environ, cwd=Path.cwd(), folder=Path(config) if config else None, home=Path(home) if home else None
    )
    for name, value in prefect_environment(loaded.prefect_home).items():
        os.environ.setdefault(name, value)
    _require_room(Path(os.environ["PREFECT_HOME"]))
    return loaded


def _require_room(prefect_home: Path) -> None:
    try:
        prefect_home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=prefect_home):
            free = shutil.disk_usage(prefect_home).free
    except OSError as error:
        raise FlowError(f"no place for Prefect's state: `{prefect_home}`: {error.strerror or error}") from None
    if free < PREFECT_ROOM_BYTES:
        raise FlowError(
            f"disk is full: `{prefect_home}`: {free:,} bytes free, expected {PREFECT_ROOM_BYTES:,} for Prefect's state"
        )


@contextmanager
def one_line_errors() -> Iterator[None]:
    """For a flow run as a script: our errors end it with their message and exit code, as on the command line."""
    try:
        yield
    except AllianceWatchError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)


def hush_own_errors() -> None:
    """Let Prefect log our errors as one line: what the user did wrong needs no trace. After Prefect's import."""
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(name).addFilter(_without_trace)


def _without_trace(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else sys.exc_info()[1]
    return not isinstance(error, AllianceWatchError)
