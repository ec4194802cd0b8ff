"""The one door to DuckDB: appends facts, publishes the snapshot, answers named questions and analysts' SQL.

The SQL itself lies in `warehouse/{migrations,views,queries,checks}/*.sql` and is called by file name.
"""

from alliancewatch.warehouse.analyst import SqlFormat
from alliancewatch.warehouse.rows import content_hash
from alliancewatch.warehouse.store import (
    FailedCheck,
    FeedState,
    FileState,
    KeptResult,
    KnownUrl,
    SnapshotState,
    SqlAnswer,
    Warehouse,
    inspect_file,
    read_ledger,
    read_rows,
)

__all__ = [
    "FailedCheck",
    "FeedState",
    "FileState",
    "KeptResult",
    "KnownUrl",
    "SnapshotState",
    "SqlAnswer",
    "SqlFormat",
    "Warehouse",
    "content_hash",
    "inspect_file",
    "read_ledger",
    "read_rows",
]
