"""What the schedulers do, for real: `alliancewatch serve`, then Prefect's server with a process worker.

    python bench/serve.py            both, about twenty minutes
    python bench/serve.py serve      one of them; or: worker

In a scratch home with the bundled newsstand and a mail server on loopback, on a schedule of every minute: a scheduled
run, a run by hand with parameters, refused parameters, a run that is killed, downtime and what makes up for it, and the
two ways to stop. Prints a line for each and ends with 1 if one is not as it should be.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb
from aiosmtpd.controller import Controller

from alliancewatch.newsstand import Newsstand, write_sources

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
SETTINGS = """\
fetch: {{host_interval_s: 0, allow_addresses: ["127.0.0.1"], contact: bench@localhost}}
schedule: {{ingest: "* * * * *"}}
smtp: {{host: 127.0.0.1, port: {port}, starttls: false}}
alerts: {{recipients: [operator@example.org]}}
"""
DOWN_S = 150


class Mailbox:
    """An SMTP server's handler that keeps (recipient, subject) of each message."""

    def __init__(self) -> None:
        self.came: list[tuple[str, str]] = []

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802
        """Keeps the message."""
        subject = re.search(rb"^Subject: (.*)", envelope.content, re.MULTILINE)
        self.came.append((envelope.rcpt_tos[0], subject[1].decode().strip() if subject else ""))
        return "250 OK"

    def has(self, recipient: str, part: str) -> bool:
        """Whether such a message came."""
        return any(to == recipient and part in subject for to, subject in self.came)


class Bench:
    """A scratch home, the processes that work on it, and the table of what they did."""

    def __init__(self, home: Path, mailbox: Mailbox) -> None:
        self.home, self.mailbox = home, mailbox
        self.port = _free_port()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")},
            "ALLIANCEWATCH_HOME": str(home),
            "PREFECT_HOME": str(home / ".prefect"),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PATH": f"{BIN}:{os.environ['PATH']}",
        }
        self.client_environment = {**self.environment, "PREFECT_API_URL": f"http://127.0.0.1:{self.port}/api"}
        self.failed = False
        self.log = (home / "bench.log").open("ab")

    def row(self, case: str, ok: bool, found: str) -> None:
        """One line of the table."""
        self.failed |= not ok
        print(f"{'ok  ' if ok else 'FAIL'}  {case:<44} {found}", flush=True)

    def start(self, *command: str, with_server: bool = False) -> subprocess.Popen[bytes]:
        """The command, running as the leader of its own group."""
        environment = self.client_environment if with_server else self.environment
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=self.log, stderr=self.log, start_new_session=True
        )

    def prefect(self, *arguments: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        """A command of Prefect's, on the server."""
        return subprocess.run(
            ["prefect", *arguments],
            cwd=ROOT,
            env=self.client_environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def runs(self, kind: str = "ingest") -> list[tuple[datetime, str | None]]:
        """(began, status) of the runs the warehouse knows, in order."""
        with contextlib.suppress(duckdb.Error), duckdb.connect(self.home / "warehouse/snapshot.duckdb", True) as wh:
            return wh.execute("SELECT started_at, status FROM runs WHERE kind = ? ORDER BY 1", [kind]).fetchall()
        return []

    def done_since(self, instant: datetime) -> int:
        """Ingest runs that began since then and ended well."""
        return sum(began >= instant and status == "done" for began, status in self.runs())

    def states(self) -> dict[str, int]:
        """How many runs of Prefect are in which state."""
        with contextlib.closing(sqlite3.connect(self.home / ".prefect/prefect.db")) as database:
            return dict(database.execute("SELECT state_name, count(*) FROM flow_run GROUP BY 1 ORDER BY 1").fetchall())

    def last_failure(self) -> str:
        """First line of the message of the last run of Prefect that failed."""
        with contextlib.closing(sqlite3.connect(self.home / ".prefect/prefect.db")) as database:
            found = database.execute(
                "SELECT message FROM flow_run_state WHERE name = 'Failed' ORDER BY timestamp DESC LIMIT 1"
            ).fetchone()
        return str(found[0]).splitlines()[0] if found else ""

    def holder(self) -> int | None:
        """Process id of the ingest run that is going on."""
        path = self.home / "ingest.lease"
        if not path.exists():
            return None
        with path.open("rb") as lease:
            try:
                fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                found = re.search(rb"\d+", lease.read())
                return int(found[0]) if found else None
        return None


def wait_for(wanted: Callable[[], Any], timeout_s: float, every_s: float = 0.5) -> Any:
    """What `wanted` says as soon as it is true, else its last word at the end."""
    ends_at = time.monotonic() + timeout_s
    while not (found := wanted()) and time.monotonic() < ends_at:
        time.sleep(every_s)
    return found


def the_same_for_both(bench: Bench, name: str) -> None:
    """A scheduled run, runs by hand, what is refused, and a run that is killed."""
    began = datetime.now(UTC)
    started = time.monotonic()
    ok = bool(wait_for(lambda: bench.done_since(began), 240))
    bench.row("scheduled run", ok, f"done {time.monotonic() - started:.0f} s after the start")

    source_id = "japan-times"
    with duckdb.connect(bench.home / "warehouse/snapshot.duckdb", True) as warehouse:
        source_id = str(warehouse.execute("SELECT min(source_id) FROM polls").fetchone()[0])  # type: ignore[index]
    run = ("deployment", "run")
    answer = bench.prefect(*run, f"ingest/{name}", "--param", f'sources=["{source_id}"]', "--watch")
    bench.row("run by hand with parameters", answer.returncode == 0, f"sources=[{source_id}]: exit {answer.returncode}")

    before = sum(bench.states().values())
    for flow, parameter in (
        ("ingest", "since=yesterday"),
        ("ingest", 'sources=["No Such"]'),
        ("ingest", "surces=[]"),
        ("weekly-digest", "week=2026-46"),
        ("weekly-digest", 'to=["nobody"]'),
    ):
        answer = bench.prefect(*run, f"{flow}/{name}", "--param", parameter)
        said = " ".join((answer.stdout + answer.stderr).split())[-60:]
        bench.row("refused parameter", answer.returncode != 0, f"{flow} {parameter}: exit {answer.returncode}: {said}")
    made = sum(bench.states().values()) - before
    bench.row("no run was made for them", made <= 5, f"{made} new runs, which the schedule made")

    answer = bench.prefect(*run, f"ingest/{name}", "--param", 'sources=["nosuch"]', "--watch")
    said = bench.last_failure()
    bench.row("unknown source", answer.returncode != 0 and "unknown source" in said, said)

    answer = bench.prefect(*run, f"weekly-digest/{name}", "--watch", timeout_s=180)
    sent = sum(to == "analyst@example.org" for to, _ in bench.mailbox.came)
    bench.row("digest by hand", answer.returncode == 0 and sent == 1, f"exit {answer.returncode}, {sent} mail")
    bench.prefect(*run, f"weekly-digest/{name}", "--watch", timeout_s=180)
    sent = sum(to == "analyst@example.org" for to, _ in bench.mailbox.came)
    bench.row("again: nobody gets it twice", sent == 1, f"{sent} mail")

    pid = wait_for(bench.holder, 90, every_s=0.02)
    killed_at = datetime.now(UTC)
    if pid:
        os.kill(pid, signal.SIGKILL)
    ok = bool(wait_for(lambda: bench.done_since(killed_at), 150))
    bench.row(
        "kill -9 of a run: the next one works", ok, f"{(datetime.now(UTC) - killed_at).total_seconds():.0f} s later"
    )
    told = wait_for(lambda: bench.mailbox.has("operator@example.org", "ingest failed"), 60)
    again = wait_for(lambda: bench.mailbox.has("operator@example.org", "ingest works again"), 60)
    bench.row("... and the operator is told of both", bool(told and again), f"failed: {told}, works again: {again}")


def check_serve(bench: Bench) -> None:
    """`alliancewatch serve`."""
    command = (str(BIN / "alliancewatch"), "serve", "--port", str(bench.port))
    serve = bench.start(*command)
    try:
        the_same_for_both(bench, "scheduled")
        wait_for(bench.holder, 90, every_s=0.02)
        stop(bench, serve, signal.SIGTERM, "SIGTERM in the middle of a run")
    finally:
        _kill(serve)
    serve = bench.start(*command)
    try:
        wait_for(lambda: "Running" in bench.states() or bench.holder(), 120)
    finally:
        _kill_all(bench, serve)
    down(bench, "kill -9 of everything", lambda: bench.start(*command), signal.SIGINT, "Ctrl-C")


def check_worker(bench: Bench) -> None:
    """`prefect server start`, `prefect deploy`, `prefect worker start`."""
    server = bench.start("prefect", "server", "start", "--host", "127.0.0.1", "--port", str(bench.port))
    workers: list[subprocess.Popen[bytes]] = []

    def worker() -> subprocess.Popen[bytes]:
        workers.append(
            bench.start("prefect", "worker", "start", "--pool", "alliancewatch", "--limit", "4", with_server=True)
        )
        return workers[-1]

    try:
        wait_for(
            lambda: bench.prefect("work-pool", "create", "alliancewatch", "--type", "process").returncode == 0, 120
        )
        plan = ROOT / "prefect.yaml"
        every_minute = plan.with_name(f".bench-{bench.port}.yaml")
        every_minute.write_text(plan.read_text("utf-8").replace('"7 * * * *"', '"* * * * *"'), "utf-8")
        try:
            answer = bench.prefect("--no-prompt", "deploy", "--all", "--prefect-file", every_minute.name)
        finally:
            every_minute.unlink()
        bench.row("prefect deploy --all", answer.returncode == 0, f"exit {answer.returncode}")
        worker()
        the_same_for_both(bench, "worker")
        wait_for(bench.holder, 90, every_s=0.02)
        _kill_all(bench, workers[-1])
        down(bench, "kill -9 of worker and run", worker, signal.SIGTERM, "SIGTERM of the worker")
    finally:
        for process in (*workers, server):
            _kill(process)


def down(
    bench: Bench, what: str, start: Callable[[], subprocess.Popen[bytes]], number: signal.Signals, way: str
) -> None:
    """Nothing runs for a while; then what makes up for it, and a stop."""
    time.sleep(DOWN_S)
    before, mails = bench.states(), len(bench.mailbox.came)
    restarted = datetime.now(UTC)
    process = start()
    try:
        ok = bool(wait_for(lambda: bench.done_since(restarted), 180))
        took = (datetime.now(UTC) - restarted).total_seconds()
        bench.row(f"{what}, down for {DOWN_S} s", ok, f"a good run {took:.0f} s after the start")
        time.sleep(70)
        minutes = (datetime.now(UTC) - restarted).total_seconds() / 60
        count = bench.done_since(restarted)
        made = {name: number - before.get(name, 0) for name, number in bench.states().items()}
        bench.row("made up for by one run", count <= minutes + 2, f"{count} runs in {minutes:.1f} min; Prefect: {made}")
        digests = sum(to == "analyst@example.org" for to, _ in bench.mailbox.came[mails:])
        bench.row("no digest is sent again", digests == 0, f"{digests} mails")
        stop(bench, process, number, way)
    finally:
        _kill(process)


def stop(bench: Bench, process: subprocess.Popen[bytes], number: signal.Signals, case: str) -> None:
    """Asks it to end, and looks at what is left."""
    started = time.monotonic()
    process.send_signal(number)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(30)
    took = time.monotonic() - started
    time.sleep(1)
    holder = bench.holder()
    bench.row(case, took <= 10 and holder is None, f"{took:.1f} s, exit {process.returncode}, lease held by {holder}")


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _kill_all(bench: Bench, process: subprocess.Popen[bytes]) -> None:
    """The process and all that descend from it, as a power cut does."""
    for pid in _descendants(process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if (left := bench.holder()) is not None:
        os.kill(left, signal.SIGKILL)
    process.wait()


def _descendants(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += map(int, task.read_text().split())
    return found


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextlib.contextmanager
def scratch_bench() -> Iterator[Bench]:
    """A home that watches the newsstand, with its mail server; gone at the end unless something failed."""
    home = Path(tempfile.mkdtemp(prefix="alliancewatch-bench-"))
    mailbox = Mailbox()
    controller = Controller(mailbox, hostname="127.0.0.1", port=_free_port())
    controller.start()
    try:
        with Newsstand(at=datetime.now(UTC)) as newsstand:
            (home / "config").mkdir()
            (home / "config/settings.yaml").write_text(SETTINGS.format(port=controller.port), "utf-8")
            (home / "config/digest.yaml").write_text("recipients: [analyst@example.org]\n", "utf-8")
            write_sources(newsstand, home / "config/sources.yaml")
            bench = Bench(home, mailbox)
            yield bench
    finally:
        controller.stop()
    if bench.failed:
        print(f"kept: {home}")
    else:
        shutil.rmtree(home)


def main(names: list[str]) -> int:
    """Exit code."""
    # A shell that starts this in the background ignores SIGINT, and so would a worker, which stops itself by one.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    checks = {"serve": check_serve, "worker": check_worker}
    versions = " ".join(f"{name} {version(name)}" for name in ("prefect", "sqlalchemy", "fastapi", "duckdb"))
    print(f"Python {platform.python_version()}, {versions}")
    failed = False
    for name in names or list(checks):
        print(f"\n{name}")
        with scratch_bench() as bench:
            checks[name](bench)
        failed |= bench.failed
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
