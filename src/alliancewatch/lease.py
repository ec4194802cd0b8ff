"""One run at a time in a home."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from alliancewatch.errors import RunInProgressError, UsageError

_LOOK_AGAIN_S = 0.1
_LEAST_WAIT_S = 0.2
"""Longer than `lease_holder` has the lock for, to see whether it is free."""


@contextmanager
def hold_lease(home: Path, kind: str, *, wait_s: float = 0.0) -> Iterator[None]:
    """Holds the home's lease for runs of that kind; raises `RunInProgressError` when another one has it.

    Waits up to `wait_s` seconds for it.

    The lease is a lock of the operating system on `<kind>.lease`: it ends with its process, however that ends, so a
    killed run never blocks the next one. The file stays; what it holds only names the holder. Raises `UsageError` when
    the home cannot be written.
    """
    path = home / f"{kind}.lease"
    try:
        home.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise UsageError(f"home cannot be written: `{home}`: {error.strerror or error}") from None
    try:
        if not _locked(file, max(wait_s, _LEAST_WAIT_S)):
            holder = os.pread(file, 100, 0).decode("ascii", "replace").strip() or "another process"
            raise RunInProgressError(
                f"another {kind} run is in progress: `{home}`: held by {holder}", hint="try again when it has ended"
            )
        with suppress(OSError):  # on a full disk the holder has no name
            os.ftruncate(file, 0)
            os.pwrite(file, f"process {os.getpid()}\n".encode("ascii"), 0)
        yield
    finally:
        os.close(file)


def lease_holder(home: Path, kind: str) -> str | None:
    """Who holds the lease, such as `process 123`; None when nobody does. Changes nothing."""
    try:
        file = os.open(home / f"{kind}.lease", os.O_RDONLY)
    except OSError:
        return None
    try:
        if _locked(file, 0.0):
            return None
        return os.pread(file, 100, 0).decode("ascii", "replace").strip() or "another process"
    finally:
        os.close(file)


def _locked(file: int, wait_s: float) -> bool:
    ends_at = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= ends_at:
                return False
            time.sleep(_LOOK_AGAIN_S)
        else:
            return True
