"""What the ingest flow costs beside the same steps called directly: CPU seconds for a thousand pages.

    python bench/flow_cost.py [--pages 1000] [--runs 5]

A server in a process of its own offers one feed with so many articles. Each run is a process in a new home: the flow as
`flows/ingest.py`, or the steps of `IngestRun` called one after the other. CPU is that of the process and all its
children. The same run over an empty feed is taken off, and with it imports, the ephemeral Prefect server's start and
the new warehouse. That start costs as much as hundreds of pages and varies, so the ratio is one of medians. Ends with 1
when it is above 1.2.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIMIT = 1.2
DIRECT = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from alliancewatch.runs import IngestRun
from alliancewatch.settings import load_config
home = Path(sys.argv[1])
with IngestRun(load_config({}, cwd=home, home=home), clock=lambda: datetime.now(UTC)) as run:
    run.poll(); run.fetch(); run.interpret(); run.finish()
"""
SETTINGS = """\
fetch: {{host_interval_s: 0, allow_addresses: ["127.0.0.1"]}}
ingest: {{max_pages_per_source: {pages}}}
"""
SOURCES = """\
sources:
  - id: bench
    name: Bench
    homepage: http://127.0.0.1:{port}/
    feeds: [http://127.0.0.1:{port}/feed-{pages}.xml]
    kind: newspaper
    country: JP
    lang: [en]
    zone: Asia/Tokyo
    paywall: none
    enabled: true
"""
PARAGRAPH = (
    "The defence ministers of Japan and the United States discussed item {n}.{k} of the alliance's agenda in Tokyo, "
    "among it the posture of forces in Okinawa, joint exercises around the southwest islands and the command "
    "structures that both governments have promised to bring closer together before the end of the fiscal year."
)


class _Outlet(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """A feed of n items, or item n."""
        name = self.path.strip("/").removesuffix(".xml").removesuffix(".html")
        kind, _, number = name.partition("-")
        if kind == "feed":
            items = "".join(
                f"<item><title>Item {n}</title><link>http://{self.headers['Host']}/page-{n}.html</link></item>"
                for n in range(int(number))
            )
            body = f'<?xml version="1.0"?><rss version="2.0"><channel><title>Bench</title>{items}</channel></rss>'
        elif kind == "page":
            text = "".join(f"<p>{PARAGRAPH.format(n=number, k=k)}</p>" for k in range(12))
            links = "".join(f'<li><a href="/section-{k}">Section {k}</a></li>' for k in range(60))
            title = f"Item {number} of the agenda"
            body = (
                f"<html lang=en><head><title>{title}</title></head><body><nav><ul>{links}</ul></nav>"
                f"<article><h1>{title}</h1>{text}</article><footer><ul>{links}</ul></footer></body></html>"
            )
        else:
            self.send_error(404)
            return
        content = body.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/xml" if kind == "feed" else "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def _serve(port: multiprocessing.SimpleQueue[int]) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Outlet)
    port.put(server.server_address[1])
    server.serve_forever()


def cpu_s(command: list[str], *, pages: int, port: int) -> float:
    """CPU seconds of the command and its children in a new home; all pages must be stored by it."""
    with tempfile.TemporaryDirectory(prefix="alliancewatch-bench-") as folder:
        home = Path(folder)
        (home / "config").mkdir()
        (home / "config" / "settings.yaml").write_text(SETTINGS.format(pages=max(pages, 1)), "utf-8")
        (home / "config" / "sources.yaml").write_text(SOURCES.format(port=port, pages=pages), "utf-8")
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "ALLIANCEWATCH_"))
        }
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, *command, *([folder] if "-c" in command else [])],
            env={**environment, "ALLIANCEWATCH_HOME": folder},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        answer = subprocess.run(
            [
                str(Path(sys.executable).with_name("alliancewatch")),
                "sql",
                "--format",
                "json",
                "select count(*) as n from articles",
            ],
            env={**environment, "ALLIANCEWATCH_HOME": folder},
            check=True,
            capture_output=True,
        )
        (row,) = json.loads(answer.stdout)
        if row["n"] != pages:
            raise SystemExit(f"{row['n']} articles are stored, expected {pages}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    """Prints a line a run, then the ratio."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    port_of: multiprocessing.SimpleQueue[int] = multiprocessing.SimpleQueue()
    server = multiprocessing.Process(target=_serve, args=(port_of,), daemon=True)
    server.start()
    port = port_of.get()
    ways = {"direct": ["-c", DIRECT], "flow": [str(ROOT / "flows" / "ingest.py")]}
    costs: dict[tuple[str, int], list[float]] = {(way, pages): [] for way in ways for pages in (0, options.pages)}
    for number in range(1, options.runs + 1):
        for (way, pages), cost in costs.items():
            cost.append(cpu_s(ways[way], pages=pages, port=port))
        run = ", ".join(f"{way} {costs[way, options.pages][-1]:.1f} s, empty {costs[way, 0][-1]:.1f} s" for way in ways)
        print(f"run {number}: {run}", flush=True)
    server.terminate()
    direct, flow = (
        statistics.median(costs[way, options.pages]) - statistics.median(costs[way, 0]) for way in ("direct", "flow")
    )
    ratio = flow / direct
    names = ("prefect", "duckdb")
    print(f"{options.pages} pages: direct {direct:.1f} s, flow {flow:.1f} s, ratio {ratio:.2f} (at most {LIMIT}); "
          + ", ".join(f"{name} {version(name)}" for name in names))  # fmt: skip
    return int(ratio > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
