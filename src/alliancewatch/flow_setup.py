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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alliancewatch.errors import AllianceWatchError, ConfigError, FlowError, UsageError
from alliancewatch.settings import Config, load_config, prefect_environment

CATCH_UP = "catch-up"
"""Tag of a run that `serve` starts because a scheduled one was missed."""

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
        with prefect_errors():
            yield
    except AllianceWatchError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)


@contextmanager
def prefect_errors() -> Iterator[None]:
    """Around a flow run: what Prefect raises because it cannot work is a `FlowError` that says how to do without it."""
    try:
        yield
    except Exception as error:
        if isinstance(error, AllianceWatchError) or not _is_of_prefect(error):
            raise
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise FlowError(
            f"Prefect cannot run the flow: {lines[0]}",
            hint="`alliancewatch ingest --no-prefect` and `alliancewatch digest` do the same without it",
        ) from error


_PREFECT_SIDE = {"prefect", "httpx", "httpcore", "sqlalchemy", "sqlite3", "alembic"}


def _is_of_prefect(error: BaseException) -> bool:
    """Whether Prefect, its client or its database raised it; the flows themselves use none of these."""
    if type(error).__module__.partition(".")[0] in _PREFECT_SIDE:
        return True
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    module = "" if trace is None else str(trace.tb_frame.f_globals.get("__name__", ""))
    return module.partition(".")[0] in _PREFECT_SIDE


def tell_failure(flow: Any, flow_run: Any, state: Any) -> None:
    """Prefect's hook for a run that failed or crashed: tells the operator.

    A wrong parameter is nothing to tell: who gave it reads the run's message.
    """
    from alliancewatch import alerts

    error: BaseException | str = f"{state.name}: {state.message or 'no reason given'}"
    found = state.result(raise_on_failure=False)
    if isinstance(found, BaseException):
        error = found
    if flow_run.deployment_id:  # started by a scheduler, so no command line says it
        sys.stderr.write(f"{flow.name} failed: {error}\n")
    if isinstance(error, UsageError) and not isinstance(error, ConfigError):
        return
    _tell(lambda config, job: alerts.tell_failure(config, job, error, now=datetime.now(UTC)), flow, flow_run)


def tell_success(flow: Any, flow_run: Any, state: Any) -> None:  # noqa: ARG001 (Prefect's signature)
    """Prefect's hook for a run that ended well: tells the operator if runs before it had failed."""
    from alliancewatch import alerts

    _tell(lambda config, job: alerts.tell_success(config, job, now=datetime.now(UTC)), flow, flow_run)


def _tell(tell: Callable[[Config, str], bool], flow: Any, flow_run: Any) -> None:
    try:
        tell(configure(flow_run.parameters.get("home"), flow_run.parameters.get("config")), flow.name)
    except AllianceWatchError as error:
        sys.stderr.write(f"no alert: {error}\n")


def hush_own_errors() -> None:
    """Let Prefect log our errors as one line: what the user did wrong needs no trace. After Prefect's import."""
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(name).addFilter(_without_trace)


def _without_trace(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else sys.exc_info()[1]
    return not isinstance(error, AllianceWatchError)
