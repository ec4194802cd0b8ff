"""Many runs in one process, as a worker makes them: that memory and open files stay flat.

    python bench/endurance.py                 300 ingest runs and 30 digests, the steps called directly; three minutes
    python bench/endurance.py --flow          the same as flows under an ephemeral Prefect; fifteen minutes

The newsstand's clock moves by an hour between runs. Memory is the process's resident set, with the first tenth of the
runs left out as warming up; it may grow by a tenth at most from the second tenth (median) to the last, and no file may
stay open. Ends with 1 otherwise.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "flows")]

from homes import home_of, ingest_at  # noqa: E402

from alliancewatch.digest_run import DigestRun  # noqa: E402
from alliancewatch.newsstand import Newsstand  # noqa: E402
from alliancewatch.runs import open_warehouse  # noqa: E402
from alliancewatch.settings import Config  # noqa: E402
from alliancewatch.week import parse_week  # noqa: E402

START = parse_week("2026-W45").start + timedelta(days=1)
GROWTH_AT_MOST = 1.1


def resident_mb() -> float:
    """The process's resident set."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def direct(config: Config, newsstand: Newsstand) -> Callable[[int, datetime], None]:
    """One run by calling its steps; every tenth also makes a digest."""

    def run(number: int, at: datetime) -> None:
        ingest_at(config, newsstand, at)
        if number % 10 == 0:
            digest = DigestRun(config, now=at, week="2026-W45")
            digest.write(digest.build())

    return run


def flow(config: Config, newsstand: Newsstand) -> Callable[[int, datetime], None]:
    """The same as flows."""
    os.environ["ALLIANCEWATCH_HOME"] = str(config.home)
    from ingest import ingest
    from weekly_digest import weekly_digest

    def run(number: int, at: datetime) -> None:
        newsstand.at = at
        ingest(home=str(config.home), now=at)
        if number % 10 == 0:
            weekly_digest(home=str(config.home), now=at, week="2026-W45")

    return run


def main() -> int:
    """Prints a line every tenth of the runs, then the result."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--flow", action="store_true", help="as flows under Prefect")
    options = parser.parse_args()
    memory: list[float] = []
    files: list[int] = []
    threads: list[int] = []
    with tempfile.TemporaryDirectory(prefix="alliancewatch-endurance-") as folder, Newsstand(at=START) as newsstand:
        config = home_of(newsstand, Path(folder) / "home")
        run = (flow if options.flow else direct)(config, newsstand)
        for number in range(1, options.runs + 1):
            run(number, START + timedelta(hours=number))
            memory.append(resident_mb())
            files.append(len(os.listdir("/proc/self/fd")))
            threads.append(threading.active_count())
            if number % (options.runs // 10) == 0:
                print(f"{number}: {memory[-1]:.0f} MB, {files[-1]} files, {threads[-1]} threads", flush=True)
        failed = open_warehouse(config).run_checks()
    tenth = options.runs // 10
    before, after = statistics.median(memory[tenth : 2 * tenth]), statistics.median(memory[-tenth:])
    files_before, files_after = max(files[tenth : 2 * tenth]), max(files[-tenth:])
    kind = "flow runs" if options.flow else "runs"
    print(
        f"{options.runs} {kind}: {before:.0f} MB → {after:.0f} MB, {files_before} → {files_after} open files; checks "
        f"{'hold' if not failed else 'FAIL'}; prefect {version('prefect')}, duckdb {version('duckdb')}"
    )
    return int(after > before * GROWTH_AT_MOST or files_after > files_before or bool(failed))


if __name__ == "__main__":
    sys.exit(main())
