"""`kill -9` at random moments: that no acknowledged article is lost, none is doubled, and no mail either.

    python bench/kill.py                                    100 cycles of runs and 20 of delivery, about 20 minutes
    python bench/kill.py --import 10 --ingest 5 --flow 0 --delivery 5 --seed 7

Each cycle starts a command and kills it at a moment drawn evenly from the time a whole run takes: `import --ack`,
`ingest --ack --no-prefect`, `ingest --ack` as a flow on a running Prefect server, `digest --send`. Every fifth cycle
begins in a new home, so that the first write is cut into too. After each kill the warehouse is opened, its checks are
run and what was acknowledged is looked for. At the end an undisturbed run of each home must bring in all the rest.
Mail may come twice, with one Message-ID, only where the ledger says that it cannot know. Prints the seed; ends with 1
on any loss.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

from alliancewatch.model import DeliveryState
from alliancewatch.runs import open_warehouse
from alliancewatch.settings import load_config
from alliancewatch.warehouse import Warehouse

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from faulty_smtp import FaultySmtp, Moment, Reply  # noqa: E402

PROGRAM = str(Path(sys.executable).with_name("alliancewatch"))
PAGES_A_CYCLE = 12
SETTINGS = """\
fetch: {host_interval_s: 0, allow_addresses: ["127.0.0.1"]}
ingest: {batch_size: 3, max_pages_per_source: 1000}
"""
SOURCES = """\
sources:
  - {{id: bench, name: Bench, homepage: "http://127.0.0.1:{port}/", feeds: ["http://127.0.0.1:{port}/feed-{home}.xml"],
     kind: newspaper, country: JP, lang: [en], zone: Asia/Tokyo, paywall: none, enabled: true}}
"""
PARAGRAPH = (
    "The defence ministers of Japan and the United States discussed item {n}.{k} of the alliance's agenda in Tokyo, "
    "among it the posture of forces in Okinawa and the joint exercises around the southwest islands this autumn."
)


def page(number: int) -> bytes:
    """An article that no other number has."""
    text = "".join(f"<p>{PARAGRAPH.format(n=number, k=k)}</p>" for k in range(8))
    title = f"Item {number} of the agenda"
    return f"<html lang=en><title>{title}</title><body><article><h1>{title}</h1>{text}</article></html>".encode()


class Outlet(ThreadingHTTPServer):
    """A feed for each home, on loopback, that grows; and the pages it names."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.page_count = 0
        self.items: defaultdict[str, list[int]] = defaultdict(list)
        """Numbers of the pages by name of the home whose feed has them."""
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """The feed, or a page."""
        assert isinstance(self.server, Outlet)
        if self.path.startswith("/feed-"):
            items = "".join(
                f"<item><title>Item {n}</title><link>http://{self.headers['Host']}/{n}.html</link></item>"
                for n in self.server.items[self.path.removeprefix("/feed-").removesuffix(".xml")]
            )
            body = f'<?xml version="1.0"?><rss version="2.0"><channel><title>Bench</title>{items}</channel></rss>'
            content, kind = body.encode(), "text/xml"
        elif self.path.endswith(".html"):
            content, kind = page(int(self.path.strip("/").removesuffix(".html"))), "text/html; charset=utf-8"
        else:
            self.send_error(404)
            return
        with contextlib.suppress(ConnectionError):
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@dataclass
class Home:
    """A home, and what its commands have acknowledged."""

    path: Path
    acked: set[str] = field(default_factory=set)
    folders: list[Path] = field(default_factory=list)
    """With pages that were imported, or should have been."""

    @property
    def warehouse(self) -> Warehouse:
        """Its warehouse."""
        return open_warehouse(load_config({}, cwd=self.path, home=self.path))


@dataclass
class Bench:
    """Where all happens, and what went wrong."""

    scratch: Path
    outlet: Outlet
    dice: random.Random
    homes: list[Home] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    killed_at: Counter[str] = field(default_factory=Counter)

    def new_home(self) -> Home:
        """An empty home that watches the outlet."""
        path = self.scratch / f"home-{len(self.homes)}"
        (path / "config").mkdir(parents=True)
        (path / "config" / "settings.yaml").write_text(SETTINGS, "utf-8")
        (path / "config" / "sources.yaml").write_text(
            SOURCES.format(port=self.outlet.server_address[1], home=path.name), "utf-8"
        )
        self.homes.append(Home(path))
        return self.homes[-1]

    def run(self, home: Home, arguments: list[str], environment: dict[str, str], *, kill_after: float | None) -> str:
        """Runs a command, killed after so many seconds; returns its standard output."""
        process = subprocess.Popen(
            [PROGRAM, *arguments],
            env={**clean_environment(), "ALLIANCEWATCH_HOME": str(home.path), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            output, errors = process.communicate(timeout=kill_after)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            output, errors = process.communicate()
        if process.returncode not in (0, 1, -9):
            self.problems.append(f"{arguments[0]} ended with {process.returncode}: {errors.strip()[-300:]}")
        if "Traceback" in errors or "unexpected" in errors:
            self.problems.append(f"{arguments[0]} said: {errors.strip()[-500:]}")
        lines = output.splitlines(keepends=True)
        home.acked |= {line.split()[1] for line in lines if line.startswith("ACK ") and line.endswith("\n")}
        return output

    def check(self, home: Home, kind: str) -> None:
        """Opens the warehouse and compares it with what was acknowledged."""
        if not home.path.joinpath("warehouse", "alliancewatch.duckdb").exists():
            if home.acked:
                self.problems.append(f"{kind}: acknowledged, and there is no warehouse")
            return
        warehouse = home.warehouse
        failed = warehouse.run_checks()
        self.problems.extend(f"{kind}: check {found.name}: {found.row_count} rows" for found in failed)
        stored = Counter(stored_ids(warehouse))
        if lost := home.acked - stored.keys():
            self.problems.append(f"{kind}: {len(lost)} acknowledged articles are lost")
        if doubled := [article_id for article_id, count in stored.items() if count > 1]:
            self.problems.append(f"{kind}: {len(doubled)} articles are doubled")


def stored_ids(warehouse: Warehouse) -> list[str]:
    """Ids of all articles, as often as they are there."""
    output = warehouse.run_sql("SELECT article_id FROM articles", "csv").output
    return output.decode().split()[1:]


def clean_environment() -> dict[str, str]:
    """This process's, without what is set for Prefect or a home."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "ALLIANCEWATCH_"))}


def cycles_of_runs(bench: Bench, kind: str, count: int, environment: dict[str, str]) -> None:
    """Kills so many runs of a kind; first an undisturbed one, to know how long they take."""
    home = bench.new_home()
    started = time.monotonic()
    bench.run(home, arguments_of(bench, home, kind), environment, kill_after=None)
    whole_s = time.monotonic() - started
    bench.check(home, kind)
    for number in range(1, count + 1):
        if number % 5 == 0:
            home = bench.new_home()
        before = len(home.acked)
        kill_after = bench.dice.uniform(0.2 * whole_s, 1.05 * whole_s)
        output = bench.run(home, arguments_of(bench, home, kind), environment, kill_after=kill_after)
        acks = output.count("ACK ")
        bench.killed_at["before the first row" if not acks else "among the rows"] += 1
        bench.check(home, kind)
        if number % 10 == 0:
            print(f"{kind}: {number} of {count}, {len(home.acked) - before} acknowledged in the last", flush=True)


def arguments_of(bench: Bench, home: Home, kind: str) -> list[str]:
    """A run of this kind with pages nobody has seen."""
    first = bench.outlet.page_count
    bench.outlet.page_count += PAGES_A_CYCLE
    numbers = range(first, bench.outlet.page_count)
    if kind == "import":
        folder = bench.scratch / "pages" / str(first)
        folder.mkdir(parents=True)
        for number in numbers:
            (folder / f"{number}.html").write_bytes(page(number))
        home.folders.append(folder)
        return ["import", str(folder), "--ack"]
    bench.outlet.items[home.path.name] += numbers
    return ["ingest", "--ack", *(["--no-prefect"] if kind == "ingest" else [])]


def undisturbed(bench: Bench) -> None:
    """Ends in each home what was begun: everything must be there once."""
    for home in bench.homes:
        if home.folders:
            bench.run(home, ["import", *map(str, home.folders), "--ack"], {}, kill_after=None)
        bench.run(home, ["ingest", "--no-prefect", "--ack"], {}, kill_after=None)
        bench.check(home, "at the end")
        expected = len(bench.outlet.items[home.path.name]) + PAGES_A_CYCLE * len(home.folders)
        urls = home.warehouse.run_sql("SELECT url FROM articles", "csv").output.decode().split()[1:]
        if len(urls) != expected or len(set(urls)) != expected:
            bench.problems.append(f"{home.path.name}: {len(urls)} articles, expected {expected}")


def cycles_of_delivery(bench: Bench, count: int) -> tuple[int, int]:
    """Kills so many deliveries, each to three new recipients, and runs them to their end; mails, and second copies."""
    home = bench.homes[0]
    week = "2026-W47"

    def slow(moment: Moment) -> Reply | None:
        waits = {"rcpt": Reply("250 fine", wait_s=0.1), "end": Reply("250 taken", wait_s=0.2, takes=True)}
        return waits.get(moment.stage)

    copies = 0
    with FaultySmtp(slow) as server:
        environment = {
            "ALLIANCEWATCH_SMTP_HOST": "127.0.0.1",
            "ALLIANCEWATCH_SMTP_PORT": str(server.port),
            "ALLIANCEWATCH_SMTP_STARTTLS": "false",
        }
        recipients: list[str] = []
        whole_s = 0.0
        for number in range(count + 1):
            new = [f"reader-{number}-{letter}@example.org" for letter in "abc"]
            recipients += new
            arguments = ["digest", "--week", week, "--send", "--force"]
            arguments += [part for address in new for part in ("--to", address)]
            started = time.monotonic()
            # The first cycle is undisturbed and tells how long one takes; mail goes out in its second half.
            kill_after = bench.dice.uniform(0.4 * whole_s, 1.02 * whole_s) if number else None
            bench.run(home, arguments, environment, kill_after=kill_after)
            whole_s = whole_s or time.monotonic() - started
            bench.run(home, arguments, environment, kill_after=None)
            bench.run(home, arguments, environment, kill_after=None)
        ledger = home.warehouse.delivery_history(recipients)
        for address in recipients:
            messages = [content for to, content in server.taken if to == address]
            unknown = sum(row.state is DeliveryState.UNKNOWN for row in ledger if row.recipient == address)
            if not messages:
                bench.problems.append(f"delivery: {address} got nothing")
            if len(messages) > 1 + unknown:
                bench.problems.append(f"delivery: {address} got {len(messages)} and the ledger knows no reason")
            if len({message_from_bytes(content)["Message-ID"] for content in messages}) > 1:
                bench.problems.append(f"delivery: copies for {address} have different Message-IDs")
            copies += max(len(messages) - 1, 0)
    return len(recipients), copies


@contextlib.contextmanager
def prefect_server(scratch: Path) -> Iterator[dict[str, str]]:
    """A Prefect server on loopback; the environment that names it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        "PREFECT_HOME": str(scratch / "prefect"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    command = [str(Path(sys.executable).with_name("prefect")), "server", "start", "--port", str(port)]
    with (scratch / "prefect.log").open("wb") as log:
        server = subprocess.Popen(
            command, env={**clean_environment(), **environment}, stdout=log, stderr=log, start_new_session=True
        )
    try:
        for _ in range(180):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health"):
                break
            time.sleep(1)
        yield environment
    finally:
        os.killpg(server.pid, 15)
        server.wait(30)


def main() -> int:
    """Prints what is done, then the result."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name, default in (("import", 45), ("ingest", 35), ("flow", 20), ("delivery", 20)):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"cycles; {default}")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = vars(parser.parse_args())
    print(f"seed {options['seed']}; " + ", ".join(f"{name} {version(name)}" for name in ("prefect", "duckdb")))
    with tempfile.TemporaryDirectory(prefix="alliancewatch-kill-") as folder:
        bench = Bench(Path(folder), Outlet(), random.Random(options["seed"]))
        for kind in ("import", "ingest"):
            cycles_of_runs(bench, kind, options[kind], {})
        if options["flow"]:
            with prefect_server(Path(folder)) as environment:
                cycles_of_runs(bench, "flow", options["flow"], environment)
        undisturbed(bench)
        acked = sum(len(home.acked) for home in bench.homes)
        mails, copies = cycles_of_delivery(bench, options["delivery"])
        bench.outlet.shutdown()
    runs = options["import"] + options["ingest"] + options["flow"]
    moments = ", ".join(f"{count} {moment}" for moment, count in sorted(bench.killed_at.items()))
    print(f"{runs} runs killed ({moments}) in {len(bench.homes)} homes: {acked} articles acknowledged")
    told = f"{copies} second copies, each announced as unknown"
    print(f"{options['delivery']} deliveries killed: {mails} recipients, {told}")
    for problem in bench.problems:
        print(f"FAIL  {problem}")
    print("nothing is lost or doubled" if not bench.problems else f"{len(bench.problems)} problems")
    return int(bool(bench.problems))


if __name__ == "__main__":
    sys.exit(main())
