"""One run at a time, and none that was killed in the way."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from alliancewatch.errors import RunInProgressError, UsageError
from alliancewatch.lease import hold_lease

HOLDER = """
import sys, time
from pathlib import Path
from alliancewatch.lease import hold_lease
with hold_lease(Path(sys.argv[1]), "ingest"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_run_is_told_who_has_it_and_a_killed_one_frees_it(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(RunInProgressError, match=f"process {holder.pid}") as caught, hold_lease(tmp_path, "ingest"):
            pass
        assert caught.value.exit_code == 75
        with hold_lease(tmp_path, "digest"):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with hold_lease(tmp_path, "ingest"), pytest.raises(RunInProgressError), hold_lease(tmp_path, "ingest"):
        pass
    with hold_lease(tmp_path, "ingest"):
        pass


def test_a_home_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="home cannot be written"), hold_lease(tmp_path / "file", "ingest"):
        pass
