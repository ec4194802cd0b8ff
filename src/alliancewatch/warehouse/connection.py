"""Opening a DuckDB file, in the one way this project does it, and what DuckDB's errors mean.

A file that is open for writing excludes every other process, so it is opened late and closed early. Layout and
options are measured: `ROW_GROUP_SIZE` is not stored in a file and has to be given at each opening, closing does not
checkpoint, and the log is checkpointed by us, when there is room for it, never by DuckDB in the middle of an append.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from alliancewatch.errors import WarehouseBusyError, WarehouseDamagedError, WarehouseError
from alliancewatch.warehouse.statements import sql

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

STORAGE_VERSION = "v1.5.0"
"""Format of files we create, so that a later DuckDB does not silently write one that 1.5 cannot read."""

ROW_GROUP_SIZE = 8192
CHECKPOINT_LOG_BYTES = 8 * 1024 * 1024
"""A longer log costs more at each opening, which replays it, than checkpoints cost at this distance."""

SPARE_BYTES = 1024 * 1024
HEADER_BYTES = 4096
BLOCK_BYTES = 256 * 1024

_LOG_HEADER = b"\x64\x00\x62\x65\x00"
"""How every log of DuckDB 1.5 begins. DuckDB silently ignores a log that begins otherwise, and with it what it held."""

_HOLDER = re.compile(r"Conflicting lock is held in (?P<program>.*?) \(PID (?P<pid>\d+)\)")

_path_locks: dict[Path, threading.Lock] = {}
_path_locks_guard = threading.Lock()


def log_of(path: Path) -> Path:
    """The write-ahead log beside a DuckDB file."""
    return path.with_name(path.name + ".wal")


def size_of(path: Path) -> int:
    """Bytes of a file, 0 when there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def in_memory(**options: str) -> DuckDBPyConnection:
    """A connection to nothing, which loads no extension and sees no Python variable."""
    connection = duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "python_enable_replacements": "false",
            **options,
        },
    )
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def attach(connection: DuckDBPyConnection, path: Path, *, option: str) -> None:
    """Opens the file as catalogue `warehouse`, makes it the default and shuts every other file off."""
    name = str(path).replace("'", "''")
    connection.execute(f"ATTACH '{name}' AS warehouse (TYPE duckdb, {option})")
    connection.execute("USE warehouse")
    connection.execute("SET enable_external_access = false")


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A warehouse file held for writing."""

    path: Path
    connection: DuckDBPyConnection
    handles: ExitStack
    """What is closed after the connection. DuckDB locks with fcntl, and such a lock is gone once its process closes
    any handle of the file."""

    def execute(self, sql: str, parameters: Mapping[str, object] | None = None) -> DuckDBPyConnection:
        """Runs one statement."""
        return self.connection.execute(sql, parameters)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; durable when it ends."""
        self.connection.execute("BEGIN")
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            with suppress(duckdb.Error):
                self.connection.execute("ROLLBACK")
            raise

    def require_whole(self) -> None:
        """Raises `WarehouseDamagedError` when the end is missing: DuckDB reads blocks only when it needs them, and
        would go on writing for a long time.
        """
        last_block = 0
        for (table_name,) in self.execute(sql("tables")).fetchall():
            (block_id,) = self.execute(sql("last_block"), {"table_name": table_name}).fetchall()[0]
            last_block = max(last_block, block_id or 0)
        expected = 3 * HEADER_BYTES + (last_block + 1) * BLOCK_BYTES
        if last_block and size_of(self.path) < expected:
            raise damaged(self.path, f"{size_of(self.path):,} bytes, {expected:,} of them hold rows", self.path)

    def checkpoint(self) -> None:
        """Moves the log into the file. Raises `WarehouseError` when there is no room: a disk that fills up in the
        middle of a checkpoint is what has damaged DuckDB files in the field (duckdb/duckdb#9667).
        """
        require_room(self.path.parent, 2 * size_of(log_of(self.path)), f"checkpoint of `{self.path}`")
        self.connection.execute("CHECKPOINT warehouse")

    def copy_to(self, target: Path) -> None:
        """Copies the checkpointed file, durably. Raises `WarehouseError` when there is no room for it."""
        require_room(target.parent, size_of(self.path), f"copy to `{target}`")
        content = self.handles.enter_context(self.path.open("rb"))
        with target.open("wb") as stream:
            shutil.copyfileobj(content, stream, 8 * 1024 * 1024)
            stream.flush()
            os.fsync(stream.fileno())


@contextmanager
def open_file(path: Path, *, wait_s: float, create: bool = False) -> Iterator[OpenFile]:
    """The file for writing; waits up to `wait_s` while another process or thread holds it.

    Raises `WarehouseBusyError` after that, `WarehouseDamagedError` and `WarehouseError` as `translated` says. An
    existing file is never replaced, and a missing one is made only with `create`.
    """
    deadline = time.monotonic() + wait_s
    with ExitStack() as stack:
        stack.enter_context(_alone_in_this_process(path, wait_s))
        stack.enter_context(translated(path))
        if not create:
            _refuse_what_duckdb_ignores(path)
        handles = stack.enter_context(ExitStack())
        connection = stack.enter_context(_closing(in_memory(checkpoint_threshold="1TB")))
        connection.execute("PRAGMA disable_checkpoint_on_shutdown")
        layout = f"ROW_GROUP_SIZE {ROW_GROUP_SIZE}" + (f", STORAGE_VERSION '{STORAGE_VERSION}'" if create else "")
        while True:
            try:
                attach(connection, path, option=layout)
                break
            except duckdb.IOException as error:
                if not _is_lock(error) or time.monotonic() >= deadline:
                    raise
                time.sleep(random.uniform(0.01, 0.1))  # noqa: S311 (a waiting time, not a secret)
        yield OpenFile(path, connection, handles)


@contextmanager
def open_snapshot(
    path: Path, *, folders: tuple[Path, ...] = (), hint: str | None = None, **options: str
) -> Iterator[DuckDBPyConnection]:
    """A connection that can read the file and nothing else, besides `folders`.

    `hint` says what to do about a damaged file, if not to publish it anew.
    """
    hint = hint or f"delete `{path}`; it is published anew"
    with translated(path, hint=hint), _closing(in_memory(**options)) as connection:
        if folders:
            connection.execute("SET allowed_directories = ?", [[str(folder) for folder in folders]])
        attach(connection, path, option="READ_ONLY")
        connection.execute("SET lock_configuration = true")
        yield connection


def require_room(folder: Path, byte_count: int, purpose: str) -> None:
    """Raises `WarehouseError` unless so many bytes, and a spare one million, are free."""
    free = shutil.disk_usage(folder).free
    if free < byte_count + SPARE_BYTES:
        raise WarehouseError(
            f"disk is full: {purpose}: {free:,} bytes free, expected {byte_count + SPARE_BYTES:,} or more",
            hint="free some space and run it again; nothing is lost",
        )


@contextmanager
def translated(path: Path, *, hint: str | None = None) -> Iterator[None]:
    """Turns what DuckDB says of the file into our errors; mistakes in our SQL stay what they are.

    `hint` says what to do about a damaged file, if not to restore a copy of the warehouse.
    """
    try:
        yield
    except duckdb.Error as error:
        meaning = _meaning(error, path)
        if meaning is None:
            raise
        if hint is not None and isinstance(meaning, WarehouseDamagedError):
            meaning.hint = hint
        raise meaning from error
    except BrokenPipeError:
        raise  # the reader of our output went away
    except OSError as error:
        raise WarehouseError(
            f"cannot use the warehouse: `{error.filename or path}`: {error.strerror or error}"
        ) from error


def _meaning(error: duckdb.Error, path: Path) -> WarehouseError | None:
    if isinstance(error, duckdb.ProgrammingError | duckdb.DataError | duckdb.IntegrityError):
        return None
    text = str(error)
    first = text.splitlines()[0]
    if _is_lock(error):
        holder = _HOLDER.search(text)
        who = f"process {holder['pid']} ({Path(holder['program']).name})" if holder else "another process"
        return WarehouseBusyError(f"warehouse is in use: `{path}`: held by {who}", hint="try again later")
    if "No space left" in text or "File too large" in text or "quota exceeded" in text:
        return WarehouseError(
            f"disk is full: `{path}`: the rows were not stored",
            hint="free some space and run it again; what was stored before is safe",
        )
    if "Read-only file system" in text or "Permission denied" in text or "read-only mode" in text:
        return WarehouseError(f"warehouse cannot be written: `{path}`: {_quoted_reason(first)}")
    if "version number" in text:
        return WarehouseDamagedError(
            f"warehouse was written by another DuckDB: `{path}`: {_writer_of(path)}, "
            f"expected one that {duckdb.__version__} can read",
            hint="use the program version that wrote it; the file was left as it is",
        )
    if "WAL" in text:
        return damaged(log_of(path), _quoted_reason(first), path)
    about_the_file = (
        duckdb.IOException,
        duckdb.InternalException,
        duckdb.FatalException,
        duckdb.SerializationException,
    )
    if isinstance(error, about_the_file) or "Corrupt" in text:  # DuckDB 2.0 has no class of its own for the latter
        return damaged(path, _quoted_reason(first), path)
    return None


def damaged(what: Path, found: str, path: Path) -> WarehouseDamagedError:
    """The error for a file of the warehouse at `path` that is not what it should be, with how to get going again."""
    copies = sorted(path.parent.glob(f"{path.name}.before-*"))
    copy = copies[-1].name if copies else "snapshot.duckdb"
    return WarehouseDamagedError(
        f"warehouse is damaged: `{what}`: {found}, expected a whole DuckDB file",
        hint=f"nothing was changed; move `{path.name}` and `{path.name}.wal` away, then copy `{copy}` to `{path.name}`",
    )


def _refuse_what_duckdb_ignores(path: Path) -> None:
    if not path.exists():  # DuckDB would make a new one
        raise WarehouseError(f"no warehouse: `{path}`: there is no such file")
    log = log_of(path)
    if size_of(log):
        with log.open("rb") as stream:
            start = stream.read(len(_LOG_HEADER))
        if not _LOG_HEADER.startswith(start):
            raise damaged(log, "it does not begin like a DuckDB log", path)


def _is_lock(error: duckdb.Error) -> bool:
    return "Could not set lock on file" in str(error)


def _quoted_reason(line: str) -> str:
    kind, _, rest = line.partition(": ")
    reason = rest if kind.endswith("Error") and rest else line
    return reason[:300].rstrip(".!")


def _writer_of(path: Path) -> str:
    """What the header says of the DuckDB that wrote the file."""
    with path.open("rb") as stream:
        header = stream.read(128)
    version = header[52:84].split(b"\0")[0].decode("ascii", "replace")
    return f"DuckDB {version}" if version.startswith("v") else "an unknown version"


@contextmanager
def _alone_in_this_process(path: Path, wait_s: float) -> Iterator[None]:
    with _path_locks_guard:
        lock = _path_locks.setdefault(path.absolute(), threading.Lock())
    if not lock.acquire(timeout=wait_s):
        raise WarehouseBusyError(
            f"warehouse is in use: `{path}`: held by another thread of this process", hint="try again later"
        )
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _closing(connection: DuckDBPyConnection) -> Iterator[DuckDBPyConnection]:
    try:
        yield connection
    finally:
        with suppress(duckdb.Error):  # a connection that a fatal error invalidated cannot be closed cleanly
            connection.close()
