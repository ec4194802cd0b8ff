"""Migrations and views: bringing a file up to what this program expects, or refusing it."""

from __future__ import annotations

import os
import tempfile
from hashlib import sha256
from pathlib import Path

from alliancewatch.errors import WarehouseError
from alliancewatch.warehouse.connection import OpenFile, damaged, log_of, open_file, size_of
from alliancewatch.warehouse.statements import sql, sql_files


def hash_of(text: str) -> str:
    """Hex sha256 of a text."""
    return sha256(text.encode()).hexdigest()


def ensure_file(path: Path, snapshot: Path, *, wait_s: float) -> None:
    """Creates the file, or applies the migrations and views it lacks.

    Creation is atomic: until it is whole the file does not exist under its name. Raises `WarehouseDamagedError` for
    what is not a warehouse, `WarehouseError` for one of a newer program or with a migration that was changed since.
    """
    if not path.exists():
        if size_of(log_of(path)) or snapshot.exists():
            left = log_of(path) if size_of(log_of(path)) else snapshot
            raise damaged(path, f"the file is gone, though `{left.name}` is there", path)
        _create(path, wait_s=wait_s)
        return
    with open_file(path, wait_s=wait_s) as file:
        pending = _pending(file)
        file.require_whole()
        if pending:
            file.checkpoint()
            file.copy_to(path.with_name(f"{path.name}.before-{pending[0]}"))
            with file.transaction():
                _migrate(file, pending)
        if _replace_views(file) or pending:
            file.checkpoint()
        for copy in path.parent.glob(f"{path.name}.before-*"):
            copy.unlink()


def _create(path: Path, *, wait_s: float) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".creating-", dir=path.parent) as folder:
            new = Path(folder, path.name)
            with open_file(new, wait_s=wait_s, create=True) as file:
                with file.transaction():
                    _migrate(file, list(sql_files("migrations")))
                _replace_views(file)
                file.checkpoint()
            try:
                os.link(new, path)
            except FileExistsError:
                return  # another process was quicker
            sync_folder(path.parent)
    except OSError as error:
        raise WarehouseError(f"cannot create the warehouse: `{path}`: {error.strerror or error}") from error


def sync_folder(folder: Path) -> None:
    """Makes a new name in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _pending(file: OpenFile) -> list[str]:
    """Names of migrations to apply, in order."""
    tables = {name for (name,) in file.execute(sql("tables")).fetchall()}
    if "migration" not in tables:
        found = f"a DuckDB file with tables {', '.join(sorted(tables)[:5])}" if tables else "an empty DuckDB file"
        raise damaged(file.path, f"it is no AllianceWatch warehouse but {found}", file.path)
    applied: dict[str, str] = dict(file.execute(sql("applied_migrations")).fetchall())
    shipped = sql_files("migrations")
    for name, recorded in applied.items():
        if name not in shipped:
            raise WarehouseError(
                f"warehouse is newer than this program: `{file.path}`: it has migration `{name}`, "
                f"expected none after `{max(shipped)}`",
                hint="use the newer AllianceWatch",
            )
        if hash_of(shipped[name]) != recorded:
            raise WarehouseError(
                f"migration was changed after it was applied: `{name}`: sha256 {hash_of(shipped[name])[:12]}, "
                f"expected {recorded[:12]}",
                hint="put the file back and write the change as the next migration",
            )
    return [name for name in shipped if name not in applied]


def _migrate(file: OpenFile, names: list[str]) -> None:
    for name in names:
        text = sql_files("migrations")[name]
        file.execute(text)
        file.execute(sql("insert_migration"), {"name": name, "sha256": hash_of(text)})


def _replace_views(file: OpenFile) -> bool:
    """Replaces all views when one of them changed; in an ordinary run nothing is written."""
    files = sql_files("views")
    wanted = hash_of("\0".join(f"{name}\0{text}" for name, text in files.items()))
    last = file.execute(sql("last_view_set")).fetchone()
    if last is not None and last[0] == wanted:
        return False
    with file.transaction():
        for name in sorted(set(last[1]) - set(files)) if last else []:
            file.execute(f'DROP VIEW IF EXISTS "{name}"')
        for text in files.values():
            file.execute(text)
        file.execute(sql("insert_view_set"), {"sha256": wanted, "names": list(files)})
    return True
