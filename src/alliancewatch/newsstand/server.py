"""The newsstand: every outlet on a port of its own on the loopback address, at an instant one chooses.

with Newsstand(at=datetime(2026, 11, 8, 12, tzinfo=JST)) as newsstand:
    requests.get(newsstand.feed_url("harbor-times"))
    newsstand.at = datetime(2026, 11, 9, 12, tzinfo=JST)    # a day passes: new stories, new editions
"""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import yaml

from alliancewatch.errors import UsageError
from alliancewatch.newsstand.pages import Page, answer
from alliancewatch.newsstand.world import Outlet, World, load_world

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Request:
    """One line of the access log."""

    outlet_id: str
    method: str
    target: str
    """Path and query as asked for."""
    status: int
    user_agent: str
    conditional: bool
    """It named an ETag or a date the client already has."""
    at: datetime
    """By the newsstand's clock."""


class Newsstand:
    """All outlets as real HTTP servers; a context manager that serves from entry to exit.

    `at` is an instant or a clock, and may be set anew while it serves. `ports` fixes the port of an outlet by its id
    (others get a free one): addresses, and so article ids, are then the same in every run. `requests` is the access
    log. Raises `UsageError` when a port cannot be had.
    """

    def __init__(self, at: datetime | Callable[[], datetime], *, ports: Mapping[str, int] | None = None) -> None:
        self.at = at
        self.world: World = load_world()
        self.requests: list[Request] = []
        wanted = dict(ports or {})
        for outlet_id in wanted:
            self.world.outlet(outlet_id)
        self._servers: dict[str, _OutletServer] = {}
        self._threads: list[threading.Thread] = []
        try:
            for outlet in self.world.outlets.values():
                self._servers[outlet.id] = _OutletServer(self, outlet, wanted.get(outlet.id, 0))
        except OSError as error:
            self.close()
            raise UsageError(f"newsstand cannot listen: {HOST}:{wanted.get(outlet.id, 0)}: {error.strerror}") from None
        self.addresses: dict[str, str] = {
            outlet_id: f"http://{HOST}:{server.server_port}" for outlet_id, server in self._servers.items()
        }
        """Outlet id to the address it is served at, without a final slash."""

    @property
    def ports(self) -> dict[str, int]:
        """Outlet id to port."""
        return {outlet_id: server.server_port for outlet_id, server in self._servers.items()}

    def now(self) -> datetime:
        """The instant it shows."""
        return self.at() if callable(self.at) else self.at

    def url_of(self, outlet_id: str, slug: str) -> str:
        """Address of a story or of an odd item. Raises `UsageError` for an unknown one."""
        outlet = self.world.outlet(outlet_id)
        odd = next((item.path for item in outlet.odd_items if item.slug == slug), None)
        return self.addresses[outlet_id] + (odd or outlet.path_of(self.world.story(outlet_id, slug)))

    def feed_url(self, outlet_id: str) -> str:
        """Address of the outlet's feed."""
        return self.addresses[outlet_id] + self.world.outlet(outlet_id).feed_path

    def __enter__(self) -> Self:
        for outlet_id, server in self._servers.items():
            thread = threading.Thread(target=server.serve_forever, args=(0.02,), name=f"newsstand {outlet_id}")
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stops serving, ends open connections and frees the ports."""
        if self._threads:
            for server in self._servers.values():
                server.shutdown()
        for server in self._servers.values():
            server.server_close()
        for thread in self._threads:
            thread.join()
        self._threads.clear()


def fixed_ports(first: int) -> dict[str, int]:
    """Consecutive ports for all outlets, in the order of their ids."""
    return {outlet_id: first + number for number, outlet_id in enumerate(sorted(load_world().outlets))}


def sources(newsstand: Newsstand) -> list[dict[str, Any]]:
    """The outlets as entries of `config/sources.yaml`."""
    entries = []
    for outlet in newsstand.world.outlets.values():
        base = newsstand.addresses[outlet.id]
        entries.append(
            {
                "id": outlet.id,
                "name": outlet.name,
                "kind": outlet.kind,
                "country": outlet.country,
                "lang": outlet.lang,
                "homepage": base + "/",
                "feeds": [base + outlet.feed_path],
                "sitemaps": [base + outlet.sitemap_path] if outlet.sitemap_path else [],
                "listing": base + outlet.listing_path if outlet.listing_path else None,
                "zone": outlet.zone,
                "paywall": outlet.paywall,
                "enabled": True,
                "mode": "full",
                "redistribution": outlet.redistribution,
                "expected_per_week": outlet.expected_per_week,
            }
        )
    return entries


def write_sources(newsstand: Newsstand, path: Path) -> None:
    """Writes a `sources.yaml` that names the newsstand's outlets and nothing else."""
    path.write_text(yaml.safe_dump({"sources": sources(newsstand)}, allow_unicode=True, sort_keys=False), "utf-8")


class _OutletServer(ThreadingHTTPServer):
    """One outlet's site. Connections are remembered, so that closing does not wait for idle clients."""

    daemon_threads = False
    request_queue_size = 32

    def __init__(self, newsstand: Newsstand, outlet: Outlet, port: int) -> None:
        self.newsstand = newsstand
        self.outlet = outlet
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__((HOST, port), _Handler)

    def server_bind(self) -> None:
        """As a plain TCP server: `HTTPServer` asks a name server for the host's name, which can take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no error of ours."""

    def server_close(self) -> None:
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):  # the client was faster
                    connection.shutdown(socket.SHUT_RDWR)
        super().server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "Newsstand/1"
    sys_version = ""
    disable_nagle_algorithm = True
    server: _OutletServer

    def do_GET(self) -> None:
        newsstand, outlet = self.server.newsstand, self.server.outlet
        at = newsstand.now()
        page = answer(newsstand.world, outlet, urlsplit(self.path).path, at, newsstand.addresses)
        etag = f'"{sha256(page.body).hexdigest()[:20]}"'
        unchanged = page.status == 200 and self._client_has(page, etag)
        status = 304 if unchanged else page.status
        body = b"" if unchanged else page.body
        self.send_response(status)
        if page.status == 200:
            self.send_header("ETag", etag)
            self.send_header("Cache-Control", "max-age=60")
            if page.modified_at is not None:
                self.send_header("Last-Modified", _http_date(page.modified_at))
        if not unchanged:
            self.send_header("Content-Type", page.content_type)
            self.send_header("Vary", "Accept-Encoding")
            if "gzip" in self.headers.get("Accept-Encoding", ""):
                body = gzip.compress(body, mtime=0)
                self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(body)))
        # Before the body goes out: who has the answer finds it in the log.
        newsstand.requests.append(
            Request(
                outlet_id=outlet.id,
                method=self.command,
                target=self.path,
                status=status,
                user_agent=self.headers.get("User-Agent", ""),
                conditional="If-None-Match" in self.headers or "If-Modified-Since" in self.headers,
                at=at,
            )
        )
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 (fixed by http.server)

    def _client_has(self, page: Page, etag: str) -> bool:
        """RFC 9110, 13.1: an ETag, when one is named, decides alone."""
        tags = self.headers.get("If-None-Match")
        if tags is not None:
            return tags.strip() == "*" or etag in {tag.strip().removeprefix("W/") for tag in tags.split(",")}
        since = self.headers.get("If-Modified-Since")
        if since is None or page.modified_at is None:
            return False
        try:
            return page.modified_at.replace(microsecond=0) <= parsedate_to_datetime(since)
        except (TypeError, ValueError):
            return False

    def date_time_string(self, timestamp: float | None = None) -> str:  # noqa: ARG002 (fixed by http.server)
        """The newsstand's clock, so that a `Date` header agrees with `Last-Modified`."""
        return _http_date(self.server.newsstand.now())

    def log_message(self, format: str, *args: Any) -> None:
        """The log is `Newsstand.requests`."""


def _http_date(instant: datetime) -> str:
    return format_datetime(instant.astimezone(UTC).replace(microsecond=0), usegmt=True)
