"""Everything AllianceWatch raises on purpose.

    AllianceWatchError
    ├── UsageError            what was asked cannot be done: exit 2
    │   └── ConfigError       a setting or config file is wrong; names file, line and key
    ├── WarehouseError        the warehouse cannot be read or written: exit 1
    │   ├── WarehouseBusyError   another process holds it: exit 75, try later
    │   └── WarehouseDamagedError   the file is not a warehouse any more
    ├── ArchiveError          the archive of raw pages cannot be read or written: exit 1
    │   └── ArchiveGoneError     the file that held a page is not there any more
    ├── BackupError           a backup cannot be made, is not whole, or does not give back what went in: exit 1
    ├── MaintenanceError      a step of the upkeep failed: exit 1
    ├── DeliveryError         some recipients did not get the digest: exit 1
    │   └── DeliveryDeferredError   nobody could take it now: exit 75, try later
    ├── OutputError           files that were asked for cannot be written: exit 1
    ├── FetchError            the fetch door could not do what it was told (not: what the web answered)
    ├── UnreadableError       bytes that hold no page, feed or archive
    ├── RunInProgressError    another run has the home's lease: exit 75, try later
    ├── DemoError             the demo did not go as it should: exit 1
    ├── ClockError            the machine's clock cannot be right: exit 75, try later
    └── FlowError             a flow could not run

What a site answers is a value (`model.Response.outcome`), never an exception.

A message reads *what failed: which one: what was found, and what was expected*, in lower case without
a full stop, so that messages compose. `hint` says what to do about it.
"""

from __future__ import annotations

from pathlib import Path


class AllianceWatchError(Exception):
    """Base of all errors a user can meet; `exit_code` is what the command line ends with."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\nhint: {self.hint}"


class UsageError(AllianceWatchError):
    """What was asked for cannot be done as asked."""

    exit_code = 2


class ConfigError(UsageError):
    """A config file or an environment setting is wrong."""

    def __init__(self, message: str, *, path: Path | str, line: int | None = None, hint: str | None = None) -> None:
        where = f"{path}:{line}" if line is not None else str(path)
        super().__init__(f"{where}: {message}", hint=hint)
        self.path = path
        self.line = line


class WarehouseError(AllianceWatchError):
    """The warehouse cannot be read or written."""


class WarehouseBusyError(WarehouseError):
    """Another process holds the warehouse and did not let go in time."""

    exit_code = 75


class WarehouseDamagedError(WarehouseError):
    """The warehouse file is damaged, or was written by another version of DuckDB."""


class ArchiveError(AllianceWatchError):
    """The archive of raw pages cannot be written, or holds something else than was kept."""


class ArchiveGoneError(ArchiveError):
    """The archive file that held a page is not there any more: pruned, or lost."""


class BackupError(AllianceWatchError):
    """A backup cannot be made, is not whole, or does not give back what went in."""


class MaintenanceError(AllianceWatchError):
    """Steps of the nightly upkeep failed; the others were done."""


class DeliveryError(AllianceWatchError):
    """Some recipients did not get the digest; the message lists them."""


class DeliveryDeferredError(DeliveryError):
    """No recipient's server took the digest, and each may do so later."""

    exit_code = 75


class OutputError(AllianceWatchError):
    """Files that were asked for cannot be written; none is left half written."""


class FetchError(AllianceWatchError):
    """The fetch door was asked for something it cannot do."""


class UnreadableError(AllianceWatchError):
    """Bytes that hold no page, feed or archive."""


class RunInProgressError(AllianceWatchError):
    """Another run works in the same home."""

    exit_code = 75


class DemoError(AllianceWatchError):
    """The demo did not go as the newsstand means it to."""


class ClockError(AllianceWatchError):
    """The machine's clock shows a time at which nothing should be recorded."""

    exit_code = 75


class FlowError(AllianceWatchError):
    """A flow could not be run."""
