"""Types of flow parameters, with schemas that Prefect's server can refuse a bad value by, before a run exists.

The server checks JSON Schema's `pattern`, `minLength` and the like, and does not look at `format`. Imports no Prefect.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, Field, WithJsonSchema

Instant = Annotated[
    AwareDatetime,
    WithJsonSchema(
        {
            "type": "string",
            "format": "date-time",
            "pattern": r"^\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d(:[0-5]\d(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})$",
        }
    ),
]
"""An ISO 8601 time with its offset, such as `2026-11-16T07:00:00+09:00`."""

WeekLabel = Annotated[str, Field(pattern=r"^\d{4}-W[0-5]\d$")]
SourceIds = list[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]]
MailAddresses = list[Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]]
Folder = Annotated[str, Field(min_length=1)]
