"""Several runs at once in one home: one works, the others wait or leave with 75 and one line; nothing is doubled."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from faulty_smtp import FaultySmtp, Moment, Reply
from homes import home_of, ingest_at

from alliancewatch.newsstand import Newsstand
from alliancewatch.runs import open_warehouse
from alliancewatch.settings import load_config
from alliancewatch.warehouse import Warehouse
from alliancewatch.week import parse_week

PAGES = Path(__file__).parent / "pages"
WEEK = parse_week("2026-W45")
SOURCE = "harbor-times"


class Gate:
    """A clock for the newsstand: whoever asks it for a page waits until it is opened."""

    def __init__(self, at: datetime) -> None:
        self.at = at
        self.reached = threading.Event()
        self.opened = threading.Event()

    def __call__(self) -> datetime:
        """The instant, once the gate is open."""
        self.reached.set()
        self.opened.wait(60)
        return self.at


def start(home: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ALLIANCEWATCH_", "PREFECT_"))}
    return subprocess.Popen(
        [sys.executable, "-c", "from alliancewatch.cli import main; main()", *arguments],
        env={**kept, "ALLIANCEWATCH_HOME": str(home), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def warehouse_of(home: Path) -> Warehouse:
    return open_warehouse(load_config({}, cwd=home, home=home))


def ids(home: Path) -> list[str]:
    return warehouse_of(home).run_sql("SELECT article_id FROM articles ORDER BY 1").output.decode().split()


def test_beside_a_run_a_second_leaves_and_an_import_works(tmp_path: Path) -> None:
    gate = Gate(WEEK.end)
    with Newsstand(at=gate) as newsstand:
        home = home_of(newsstand, tmp_path / "home").home
        first = start(home, "ingest", "--no-prefect", "--source", SOURCE, "--ack")
        assert gate.reached.wait(30)
        second = start(home, "ingest", "--no-prefect", "--source", SOURCE)
        imports = [
            start(home, "import", str(PAGES / "full-en.html"), str(PAGES / "full-ja-sjis.html")) for _ in range(2)
        ]
        refused = second.communicate(timeout=60)[1]
        imported = [process.communicate(timeout=60)[1] for process in imports]
        gate.opened.set()
        acked = [line.split()[1] for line in first.communicate(timeout=60)[0].splitlines() if line.startswith("ACK ")]
    assert second.returncode == 75
    assert refused.splitlines()[0].startswith("error: another ingest run is in progress")
    assert "Traceback" not in refused
    assert [process.returncode for process in imports] == [0, 0], imported
    assert sorted(line.splitlines()[-1] for line in imported) == ["2 pages: 2 stored", "2 pages: 2 unchanged"]
    assert first.returncode in (0, 1)
    assert acked
    stored = ids(home)
    assert len(set(stored)) == len(stored)
    assert set(acked) < set(stored)
    assert warehouse_of(home).run_checks() == []


@pytest.mark.parametrize("count", [2, 3])
def test_of_several_digests_at_once_one_is_mailed(tmp_path: Path, count: int) -> None:
    def slow(moment: Moment) -> Reply | None:
        return Reply("250 taken", wait_s=1.5, takes=True) if moment.stage == "end" else None

    with Newsstand(at=WEEK.end) as newsstand, FaultySmtp(slow) as server:
        config = home_of(newsstand, tmp_path / "home")
        ingest_at(config, newsstand, WEEK.end - timedelta(hours=1), SOURCE)
        mail = {
            "ALLIANCEWATCH_SMTP_HOST": "127.0.0.1",
            "ALLIANCEWATCH_SMTP_PORT": str(server.port),
            "ALLIANCEWATCH_SMTP_STARTTLS": "false",
        }
        arguments = ("digest", "--week", WEEK.label, "--send", "--force", "--to", "a@one.example")
        runs = [start(config.home, *arguments, **mail) for _ in range(count)]
        said = [run.communicate(timeout=60)[1] for run in runs]
    assert [address for address, _ in server.taken] == ["a@one.example"]
    codes = sorted(run.returncode for run in runs)
    assert codes[0] == 0
    assert set(codes) <= {0, 75}, said  # one that comes after the first finds that it was sent
    assert not any("Traceback" in text for text in said)
    assert warehouse_of(config.home).run_checks() == []


def test_many_runs_in_one_process_leave_no_file_and_no_thread_behind(tmp_path: Path) -> None:
    with Newsstand(at=WEEK.start) as newsstand:
        config = home_of(newsstand, tmp_path / "home")
        state = []
        for number in range(8):
            ingest_at(config, newsstand, WEEK.start + timedelta(days=1, hours=number), SOURCE)
            time.sleep(0.05)  # the newsstand's side of the connections
            state.append((len(os.listdir("/proc/self/fd")), threading.active_count()))
    assert max(state[4:]) <= max(state[1:4])
