"""The SQL of the project, by file name."""

from __future__ import annotations

from functools import lru_cache

from alliancewatch.resources import resource


@lru_cache
def sql_files(kind: str) -> dict[str, str]:
    """The SQL files of `warehouse/<kind>` in name order: name without `.sql` to content."""
    return {path.stem: path.read_text("utf-8") for path in sorted(resource("warehouse", kind).glob("*.sql"))}


def sql(name: str) -> str:
    """The query of that file name."""
    return sql_files("queries")[name]
