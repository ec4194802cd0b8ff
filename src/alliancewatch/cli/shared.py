"""What several commands need: the configuration, reading a file or stdin, printing JSON, the present time."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from alliancewatch.errors import UnreadableError, UsageError
from alliancewatch.week import TOKYO

if TYPE_CHECKING:
    from alliancewatch.settings import Config

T = TypeVar("T")

ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="DIR", help="Folder with config files; default: config/ of the home.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line where there are several.")]


def load(folder: Path | None = None) -> Config:
    """The configuration of this command. Raises `ConfigError`."""
    from alliancewatch.settings import load_config

    config = load_config(os.environ, cwd=Path.cwd(), folder=folder)
    _ = config.settings  # a typo in settings.yaml stops every command, also those that need none of it
    return config


def now() -> datetime:
    """The present instant, in UTC. Only commands ask the clock; the library is told the time."""
    return datetime.now(UTC)


def read_bytes(path: str) -> bytes:
    """The file's bytes, or stdin's for `-`. Raises `UnreadableError`."""
    if path == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UnreadableError(f"cannot read: `{path}`: {error.strerror or error}") from None


def parse_instant(text: str) -> datetime:
    """An ISO 8601 date or time as an instant in UTC; without an offset it is Tokyo time. Raises `UsageError`."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"not a time: `{text}`: expected ISO 8601, such as 2026-11-16T07:00:00+09:00",
            hint="without an offset it is Tokyo time",
        ) from None
    try:
        return (instant if instant.tzinfo else instant.replace(tzinfo=TOKYO)).astimezone(UTC)
    except OverflowError:
        raise UsageError(f"not a time: `{text}`: outside the years 1 to 9999") from None


def print_json(value: object) -> None:
    """One JSON object on one line of stdout, flushed: a program reading along sees it at once."""
    text = json.dumps(jsonable(value), ensure_ascii=False)
    # A lone surrogate, which the web does send, has no UTF-8; escaped it is the same JSON.
    sys.stdout.write(text.encode("utf-8", "backslashreplace").decode("utf-8") + "\n")
    sys.stdout.flush()


def print_ack(article_id: str) -> None:
    """`ACK <article id>` on stdout, at once: the row is durable."""
    sys.stdout.write(f"ACK {article_id}\n")
    sys.stdout.flush()


def jsonable(value: object) -> object:
    """Dataclasses, enums, times and paths as plain JSON values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: jsonable(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, frozenset, set)):
        return [jsonable(item) for item in value]
    return value


def say(line: str) -> None:
    """One line for the person, on stderr."""
    print(line, file=sys.stderr)


def progress(items: Iterable[T], *, label: str) -> Iterator[T]:
    """The items, with a progress bar on stderr when that is a terminal."""
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(items, description=label, console=Console(stderr=True), transient=True)


def columns(*fields: object) -> str:
    """The fields as one line with tabs between them, each made fit by `one_line`."""
    return "\t".join(map(one_line, fields))


def one_line(text: object) -> str:
    """Text from outside made fit for one terminal line: no control characters, no line breaks."""
    return "".join(char if char.isprintable() else " " for char in str(text))
