"""News monitor for the US-Japan alliance: what a program may call without the command line.

All of these are pure: no network, no database, no clock. They are loaded when first used, so that
`from alliancewatch import extract_text` brings neither DuckDB nor Prefect with it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from alliancewatch._version import __version__

if TYPE_CHECKING:
    from alliancewatch.dates import parse_date
    from alliancewatch.extract import extract_article, extract_text
    from alliancewatch.robots import robots_allows
    from alliancewatch.sanitize import sanitize_html
    from alliancewatch.urls import canonical_url

__all__ = [
    "__version__",
    "canonical_url",
    "extract_article",
    "extract_text",
    "parse_date",
    "robots_allows",
    "sanitize_html",
]

_HOME = {
    "canonical_url": "alliancewatch.urls",
    "extract_article": "alliancewatch.extract",
    "extract_text": "alliancewatch.extract",
    "parse_date": "alliancewatch.dates",
    "robots_allows": "alliancewatch.robots",
    "sanitize_html": "alliancewatch.sanitize",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
