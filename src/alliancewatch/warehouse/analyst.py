"""SQL from analysts: one reading statement, on the snapshot, behind locked doors, and its result in four formats."""

from __future__ import annotations

import csv
import io
import json
import math
import tempfile
import threading
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import duckdb

from alliancewatch.errors import UsageError, WarehouseError
from alliancewatch.warehouse.connection import open_snapshot
from alliancewatch.warehouse.rows import utc

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Row = tuple[object, ...]
SqlFormat = Literal["table", "csv", "json", "parquet"]

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
"""A spreadsheet takes a cell that begins like this for a formula."""

CELL_WIDTH = 120
TABLE_ROWS = 10_000
ROWS_AT_ONCE = 1000
MAX_OUTPUT_BYTES = 512 * 1024 * 1024
"""DuckDB's memory limit does not cover what is made of its rows."""

_WITHHELD = frozenset(
    {
        "query",
        "query_table",
        "current_setting",
        "duckdb_databases",
        "duckdb_extensions",
        "duckdb_logs",
        "duckdb_secrets",
        "duckdb_settings",
        "pragma_database_list",
        "which_secret",
        "write_log",
    }
)
"""Functions that tell of the machine rather than the data, write, or run text as SQL and so hide what they call."""


def run_sql(snapshot: Path, sql: str, *, output_format: SqlFormat, timeout_s: float, memory_limit: str) -> bytes:
    """The result of one SELECT in the format asked for; texts in UTF-8.

    Raises `UsageError` for SQL that is wrong or does more than read the warehouse, `WarehouseError` when it takes too
    long or too much memory.
    """
    statement = _one_select(sql)
    with (
        tempfile.TemporaryDirectory(prefix="alliancewatch-sql-") as folder,
        open_snapshot(
            snapshot, folders=(Path(folder),), memory_limit=memory_limit, threads="2", temp_directory=""
        ) as connection,
        _bounded(connection, timeout_s, memory_limit),
    ):
        if output_format == "parquet":
            file = Path(folder, "result.parquet")
            connection.sql(statement).write_parquet(str(file), compression="zstd")
            return _bounded_output([file.read_bytes()])
        cursor = connection.execute(statement)
        columns = cursor.description or []
        names = _distinct([column[0] for column in columns])
        nested = [index for index, column in enumerate(columns) if str(column[1]) == "JSON"]
        write = {"csv": _csv, "json": _json, "table": _table}[output_format]
        return _bounded_output(text.encode() for text in write(names, _rows(cursor, nested)))


def _one_select(sql: str) -> str:
    try:
        statements = duckdb.extract_statements(sql)
        words = duckdb.tokenize(sql)
    except duckdb.Error as error:
        raise UsageError(f"SQL cannot be read: {_one_line(error)}") from error
    if len(statements) != 1:
        raise UsageError(f"one statement at a time: the SQL holds {len(statements)}")
    (statement,) = statements
    starts = [start for start, _ in words]
    spelled = [sql[start:end].strip().strip('"').lower() for start, end in pairwise([*starts, len(sql)])]
    if statement.type != duckdb.StatementType.SELECT or spelled[0] == "pragma":
        raise UsageError(f"only reading is allowed: the SQL begins with `{spelled[0].upper()}`, expected a SELECT")
    withheld = sorted(_WITHHELD.intersection(spelled))
    if withheld:
        raise UsageError(f"not allowed here: `{withheld[0]}`: it does not read the warehouse")
    return str(statement.query)


@contextmanager
def _bounded(connection: DuckDBPyConnection, timeout_s: float, memory_limit: str) -> Iterator[None]:
    timer = threading.Timer(timeout_s, connection.interrupt)
    timer.start()
    try:
        yield
    except duckdb.InterruptException as error:
        raise WarehouseError(f"query took too long: stopped after {timeout_s:g} s", hint="ask for less") from error
    except duckdb.OutOfMemoryException as error:
        raise WarehouseError(f"query needs more than {memory_limit} of memory", hint="ask for less") from error
    except duckdb.PermissionException as error:
        raise UsageError(f"only reading the warehouse is allowed: {_one_line(error)}") from error
    except (duckdb.ProgrammingError, duckdb.DataError, duckdb.NotSupportedError, duckdb.IntegrityError) as error:
        raise UsageError(f"SQL failed: {_one_line(error)}") from error
    finally:
        timer.cancel()


def _one_line(error: duckdb.Error) -> str:
    """DuckDB's message without the lines that repeat the SQL."""
    said = str(error).split("\n\nLINE ")[0].split("\nLINE ")[0]
    return " ".join(said.split())[:500]


def _distinct(names: list[str]) -> list[str]:
    """Column names with repeats numbered, as DuckDB does in a subquery: `a`, `a_1`."""
    taken: set[str] = set()
    result = []
    for name in names:
        new, number = name, 0
        while new in taken:
            number += 1
            new = f"{name}_{number}"
        taken.add(new)
        result.append(new)
    return result


def _rows(cursor: DuckDBPyConnection, nested: list[int]) -> Iterator[Row]:
    while rows := cursor.fetchmany(ROWS_AT_ONCE):
        for row in rows:
            yield _with_json_read(row, nested)


def _bounded_output(parts: Iterable[bytes]) -> bytes:
    output = bytearray()
    for part in parts:
        output += part
        if len(output) > MAX_OUTPUT_BYTES:
            raise WarehouseError(
                f"result is too large: more than {MAX_OUTPUT_BYTES:,} bytes", hint="ask for fewer rows or columns"
            )
    return bytes(output)


def _with_json_read(row: Row, nested: list[int]) -> Row:
    """The row with columns of type JSON as the values they hold."""
    if not nested:
        return row
    values = list(row)
    for index in nested:
        text = values[index]
        values[index] = json.loads(text) if isinstance(text, str) else text
    return tuple(values)


def _plain(value: object) -> object:
    """The value as JSON has it: instants ISO 8601, bytes as hex, NaN and infinity as null."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime):
        return (value if value.tzinfo is None else utc(value)).isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    return str(value)


def _cell(value: object) -> str:
    """The value as text: as in JSON, NULL empty, numbers in full."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return str(value)
    plain = _plain(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def _json(names: list[str], rows: Iterator[Row]) -> Iterator[str]:
    before = "["
    for row in rows:
        item = dict(zip(names, map(_plain, row), strict=True))
        yield f"{before}\n{json.dumps(item, ensure_ascii=False, allow_nan=False)}"
        before = ","
    yield "[]\n" if before == "[" else "\n]\n"


def _csv(names: list[str], rows: Iterator[Row]) -> Iterator[str]:
    yield _csv_line(map(_guarded, names))
    for row in rows:
        yield _csv_line(_cell(value) if _is_number(value) else _guarded(_cell(value)) for value in row)


def _csv_line(cells: Iterable[str]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerow(cells)  # with it, a lone CR in a cell is quoted too
    return text.getvalue().removesuffix("\r\n") + "\n"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | Decimal) and math.isfinite(value)


def _guarded(text: str) -> str:
    return "'" + text if text.startswith(FORMULA_STARTS) else text


def _table(names: list[str], rows: Iterator[Row]) -> Iterator[str]:
    lines = [[_shown(name) for name in names]]
    lines.extend([_shown(_cell(value)) for value in row] for row in islice(rows, TABLE_ROWS))
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["─" * width for width in widths])
    for line in lines:
        padded = (cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True))
        yield "  ".join(padded).rstrip() + "\n"
    if next(rows, None) is not None:
        yield f"… the first {TABLE_ROWS:,} rows; formats csv, json and parquet give all\n"


def _shown(text: str) -> str:
    """One line for a terminal: controls as `·`, so that no title moves the cursor, and cut when long."""
    text = "".join("·" if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp") else char for char in text[:1000])
    if _width(text) <= CELL_WIDTH:
        return text
    kept, width = 0, 1
    while width + _width(text[kept]) <= CELL_WIDTH:
        width += _width(text[kept])
        kept += 1
    return text[:kept] + "…"


def _width(text: str) -> int:
    """Columns of a terminal: two for East Asian wide characters, none for combining ones."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )
