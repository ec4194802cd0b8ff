"""`Fetcher`: a request goes out only by this class, and whatever the web does comes back as a value."""

from __future__ import annotations

import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http.client import HTTPException, IncompleteRead
from ipaddress import ip_address
from types import TracebackType
from typing import Literal, Self
from urllib.parse import urlsplit

import requests
from requests.cookies import RequestsCookieJar
from urllib3.exceptions import HTTPError

from alliancewatch.codings import ACCEPT_ENCODING, TooLargeError, charset_of, decode_body
from alliancewatch.errors import FetchError, UnreadableError
from alliancewatch.fetch.connection import Deadline, Guard, GuardedAdapter, RefusedError, UnresolvedError
from alliancewatch.fetch.verdict import (
    CHALLENGE_STATUSES,
    REDIRECTS,
    challenge_of,
    judge_body,
    judge_media_type,
    judge_status,
    retry_after_s,
)
from alliancewatch.model import Exchange, FetchOutcome, Response
from alliancewatch.robots import RobotsRules
from alliancewatch.settings import FetchSettings
from alliancewatch.urls import resolve_url

FetchKind = Literal["page", "feed", "robots"]

_ACCEPT: dict[FetchKind, str] = {
    "page": "text/html, application/xhtml+xml;q=0.9, */*;q=0.1",
    "feed": "application/atom+xml, application/rss+xml, application/rdf+xml, application/feed+json, "
    "application/xml;q=0.9, text/xml;q=0.9, */*;q=0.1",
    "robots": "text/plain, */*;q=0.1",
}
_ROBOTS_REDIRECTS = 5
_ROBOTS_KEPT_S = 24 * 3600.0
"""RFC 9309 section 2.4."""
_ROBOTS_FAILURE_KEPT_S = 600.0
_CRAWL_DELAY_MAX_S = 120.0
_PEEK_BYTES = 64 * 1024
_PEEK_S = 2.0
_CHUNK = 64 * 1024
_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*):")
HIGHEST_PORT = 65535
_PORT = re.compile(r":([0-9]+)$")
_AUTHORITY = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*:[/\\]*([^/?#]*)")


class _Ended(Exception):  # noqa: N818 (the normal way a fetch ends early, not an error)
    """The fetch has come to an end that is not a body."""

    def __init__(self, outcome: FetchOutcome, reason: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason
        self.retry_after_s = retry_after_s


@dataclass
class _Host:
    """What is known of one host while the fetcher lives. Whoever changes it holds `lock`."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    free_at: float = 0.0
    """On the monotonic clock: when the next request may go out."""
    held_until: float = 0.0
    """Until when the host itself asked to be left alone."""
    robots: RobotsRules | None = None
    robots_failure: _Ended | None = None
    robots_until: float = 0.0


@dataclass
class _Trip:
    """One fetch on its way: where it is, and what it has met."""

    url: str
    kind: FetchKind
    validators: dict[str, str]
    deadline: Deadline
    current: str
    waited_s: float = 0.0
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    is_whole: bool = False
    exchanges: list[Exchange] = field(default_factory=list)
    redirects: list[tuple[int, str]] = field(default_factory=list)
    cookies: dict[str, RequestsCookieJar] = field(default_factory=dict)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)

    def content_type(self) -> tuple[str | None, str | None]:
        """Media type and charset as the header states them, in lower case."""
        media_type, _, parameters = (self.header("content-type") or "").partition(";")
        charset = charset_of(parameters)
        return media_type.strip().lower() or None, charset.lower() if charset else None


class Fetcher:
    """Fetches addresses politely and within bounds. One may be shared by threads; it is a context manager.

    One host sees one connection at a time and `host_interval_s`, or its crawl delay up to 120 s, between two
    fetches; the redirects of one fetch and robots.txt do not count as fetches. Waiting for that is not part of the
    deadline or of `elapsed_s`. `clock` gives the time of day, aware; durations are measured on a monotonic clock.
    """

    def __init__(self, settings: FetchSettings, *, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._clock = clock
        self._hosts: dict[str, _Host] = {}
        self._hosts_lock = threading.Lock()
        self._closed = False
        self._allowed = frozenset(map(ip_address, settings.allow_addresses))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True

    def fetch(
        self, url: str, *, kind: FetchKind = "page", etag: str | None = None, last_modified: str | None = None
    ) -> Response:
        """What came of one GET. Never raises for what the web does or for what is in `url`.

        `etag` and `last_modified` are those of an earlier `Response` for this address. `kind` sets the size limit, what
        is asked for and which bodies are refused unread; `robots` takes a robots.txt, cut off at its limit.
        """
        if self._closed:
            raise FetchError("fetch: the fetcher is closed, expected an open one")
        started = time.monotonic()
        fetched_at = self._clock()
        validators = {"If-None-Match": etag, "If-Modified-Since": last_modified}
        trip = _Trip(
            url=url,
            kind=kind,
            validators={name: value for name, value in validators.items() if value},
            deadline=Deadline(self._settings.deadline_s),
            current=url,
        )
        retry_s: float | None = None
        try:
            self._travel(trip)
            outcome, reason = FetchOutcome.OK, "fetched"
        except _Ended as end:
            outcome, reason, retry_s = end.outcome, end.reason, end.retry_after_s
        media_type, charset = trip.content_type()
        ok = outcome is FetchOutcome.OK
        return Response(
            url=url,
            final_url=trip.current,
            outcome=outcome,
            reason=reason,
            fetched_at=fetched_at,
            elapsed_s=time.monotonic() - started - trip.waited_s,
            status=trip.status,
            content_type=media_type,
            charset=charset,
            headers=trip.headers,
            body=trip.body if ok else b"",
            retry_after_s=retry_s,
            etag=trip.header("etag") if ok else None,
            last_modified=trip.header("last-modified") if ok else None,
            redirects=tuple(trip.redirects),
            exchanges=tuple(trip.exchanges),
        )

    def _travel(self, trip: _Trip) -> None:
        """Follow `trip` to a body. Raises `_Ended` for every other end."""
        limit = _ROBOTS_REDIRECTS if trip.kind == "robots" else self._settings.max_redirects
        visited: set[str] = set()
        target: str | None = trip.url
        while target is not None:
            trip.current = self._admit(target, trip.current if trip.redirects else None)
            if len(trip.redirects) > limit:
                raise _Ended(FetchOutcome.REJECT, f"redirects: more than {limit}")
            authority = urlsplit(trip.current).netloc
            host = self._host(authority)
            waiting_since = time.monotonic()
            with host.lock:
                self._leave_out(trip, time.monotonic() - waiting_since)
                if trip.kind != "robots" and self._settings.respect_robots:
                    self._obey_robots(host, trip)
                if authority not in visited:
                    self._await_turn(host, trip)
                visited.add(authority)
                try:
                    target = self._try(trip, host)
                finally:
                    host.free_at = max(host.free_at, time.monotonic() + self._interval_s(host))

    def _admit(self, target: str, base: str | None) -> str:
        """`target` as it is requested. Raises `_Ended` for what is never requested."""
        scheme = _SCHEME.match(target)
        if scheme and scheme[1].lower() not in ("http", "https"):
            raise _Ended(FetchOutcome.BLOCKED, f"scheme not fetched: {scheme[1].lower()[:20]}")
        authority = _AUTHORITY.match(target) if scheme else re.match(r"\s*[/\\]{2}([^/?#]*)", target)
        if authority and ("@" in authority[1] or "\\" in authority[1]):
            raise _Ended(FetchOutcome.BLOCKED, "address hides its host behind a user name")
        url = resolve_url(target, base)
        if url is None:
            port = authority and _PORT.search(authority[1])
            if port and int(port[1]) > HIGHEST_PORT:
                raise _Ended(FetchOutcome.REJECT, f"not a port: {port[1][:20]}")
            if authority and authority[1]:
                raise _Ended(FetchOutcome.BLOCKED, "no host that a public site can have")
            raise _Ended(FetchOutcome.REJECT, "not a web address")
        if len(url) > self._settings.url_max_chars:
            raise _Ended(FetchOutcome.REJECT, f"address too long: {len(url)} characters")
        return url

    def _host(self, authority: str) -> _Host:
        with self._hosts_lock:
            return self._hosts.setdefault(authority, _Host())

    def _leave_out(self, trip: _Trip, seconds: float) -> None:
        trip.waited_s += seconds
        trip.deadline.extend(seconds)

    def _interval_s(self, host: _Host) -> float:
        delay = host.robots.delay_s(self._settings.user_agent) if host.robots else None
        return max(self._settings.host_interval_s, delay or 0.0)

    def _await_turn(self, host: _Host, trip: _Trip) -> None:
        now = time.monotonic()
        if host.held_until > now:
            raise _Ended(
                FetchOutcome.RETRY, "the host asked to be left alone for now", retry_after_s=host.held_until - now
            )
        if host.free_at > now:
            time.sleep(host.free_at - now)
            self._leave_out(trip, time.monotonic() - now)

    def _obey_robots(self, host: _Host, trip: _Trip) -> None:
        if host.robots_until <= time.monotonic():
            self._read_robots(host, trip)
        if host.robots_failure is not None:
            failed = host.robots_failure
            raise _Ended(failed.outcome, failed.reason, retry_after_s=failed.retry_after_s)
        assert host.robots is not None
        if not host.robots.allows(self._settings.user_agent, trip.current):
            raise _Ended(FetchOutcome.BLOCKED, "robots.txt does not allow this address")
        delay = host.robots.delay_s(self._settings.user_agent)
        if delay is not None and delay > _CRAWL_DELAY_MAX_S:
            raise _Ended(
                FetchOutcome.BLOCKED, f"robots.txt asks for {delay:,.0f} s between requests, more than we wait"
            )

    def _read_robots(self, host: _Host, trip: _Trip) -> None:
        """Fetch the robots.txt of `host`: an answer that there is none (4xx) allows everything, silence nothing."""
        own = _Trip(
            url=f"{trip.current.split('://')[0]}://{urlsplit(trip.current).netloc}/robots.txt",
            kind="robots",
            validators={},
            deadline=trip.deadline,
            current="",
        )
        text = b""
        failure: _Ended | None = None
        target: str | None = own.url
        try:
            while target is not None and len(own.redirects) <= _ROBOTS_REDIRECTS:
                own.current = self._admit(target, own.current or None)
                target = self._try(own, host)
            text = own.body
        except _Ended as end:
            if end.outcome in (FetchOutcome.RETRY, FetchOutcome.BLOCKED):
                what = end.reason if own.status is None else f"robots.txt cannot be read: {end.reason}"
                failure = _Ended(end.outcome, what, retry_after_s=end.retry_after_s)
        trip.exchanges += own.exchanges
        host.robots = RobotsRules(text)
        host.robots_failure = failure
        host.robots_until = time.monotonic() + (_ROBOTS_KEPT_S if failure is None else _ROBOTS_FAILURE_KEPT_S)

    def _try(self, trip: _Trip, host: _Host) -> str | None:
        """`_exchange` with every way in which a connection fails turned into an end."""
        try:
            return self._exchange(trip, host)
        except RefusedError as error:
            raise _Ended(FetchOutcome.BLOCKED, f"inside address: {error}") from None
        except UnresolvedError as error:
            raise _Ended(FetchOutcome.RETRY, f"name: {error}") from None
        except TooLargeError as error:
            raise _Ended(FetchOutcome.REJECT, str(error)) from None
        except UnreadableError as error:
            is_robots = trip.kind == "robots"
            raise _Ended(FetchOutcome.RETRY if is_robots else FetchOutcome.REJECT, f"damaged answer: {error}") from None
        except (requests.RequestException, HTTPError, HTTPException, OSError, ValueError) as error:
            if trip.deadline.passed:
                reason = f"no complete answer within {self._settings.deadline_s:g} s"
            else:
                reason = _explain(error)
            raise _Ended(FetchOutcome.RETRY, reason) from None

    def _exchange(self, trip: _Trip, host: _Host) -> str | None:
        """One request and its answer: where it redirects to, or None once `trip` has its body."""
        settings = self._settings
        name = urlsplit(trip.current).hostname or ""
        cookies = trip.cookies.setdefault(name, RequestsCookieJar())
        request = requests.Request(
            "GET",
            trip.current,
            headers={
                "User-Agent": settings.user_agent,
                "Accept": _ACCEPT[trip.kind],
                "Accept-Encoding": ACCEPT_ENCODING,
                "Connection": "close",
                **trip.validators,
            },
            cookies=cookies,
        ).prepare()
        asked_at = self._clock()
        trip.body, trip.is_whole = b"", False
        guard = Guard(trip.deadline, settings.connect_timeout_s, self._allowed)
        timeout = trip.deadline.remaining_s()
        answer = GuardedAdapter(guard).send(request, stream=True, timeout=(timeout, timeout))
        try:
            trip.status = answer.status_code
            trip.headers = tuple(item for item in answer.raw.headers.items() if item[0].lower() != "set-cookie")
            cookies.update(answer.cookies)
            if trip.status in REDIRECTS:
                location = trip.header("location")
                if not location:
                    raise _Ended(FetchOutcome.REJECT, f"redirect without a target: {trip.status}")
                trip.redirects.append((trip.status, trip.current))
                return _as_text(location)
            trip.is_whole = trip.status in (204, 304)
            self._judge_head(trip, host, answer)
            self._read_body(trip, answer)
        finally:
            answer.raw.close()
            trip.exchanges.append(
                Exchange(trip.kind, trip.current, asked_at, answer.status_code, trip.headers, trip.body, trip.is_whole)
            )
        return None

    def _judge_head(self, trip: _Trip, host: _Host, answer: requests.Response) -> None:
        assert trip.status is not None
        verdict = judge_status(trip.status, validated=bool(trip.validators))
        if verdict is None:
            return
        outcome, reason = verdict
        lower = {name.lower(): value for name, value in trip.headers}
        if trip.status in CHALLENGE_STATUSES and trip.kind != "robots":
            whose = challenge_of(lower, b"")
            if whose is None:
                trip.body = self._peek(trip, answer)
                whose = challenge_of({}, trip.body)
            if whose is not None:
                raise _Ended(FetchOutcome.REJECT, f"bot challenge: {whose} answered {trip.status}")
        wait_s = retry_after_s(lower.get("retry-after"), self._clock()) if outcome is FetchOutcome.RETRY else None
        if wait_s is not None and self._settings.host_interval_s > 0:
            host.held_until = time.monotonic() + wait_s
        raise _Ended(outcome, reason, retry_after_s=wait_s)

    def _peek(self, trip: _Trip, answer: requests.Response) -> bytes:
        """The start of an error page, as far as it comes at once and can be read."""
        trip.deadline.shorten(_PEEK_S)
        try:
            chunks = _chunks(answer, _PEEK_BYTES, truncate=True)
            return decode_body(chunks, _coding(trip), _PEEK_BYTES, truncate=True)
        except (HTTPError, HTTPException, OSError, ValueError, UnreadableError):
            return b""

    def _read_body(self, trip: _Trip, answer: requests.Response) -> None:
        settings, is_robots = self._settings, trip.kind == "robots"
        limits = {
            "page": settings.page_max_bytes,
            "feed": settings.feed_max_bytes,
            "robots": settings.robots_max_bytes,
        }
        limit = limits[trip.kind]
        media_type, charset = trip.content_type()
        if not is_robots:
            length = trip.header("content-length") or ""
            if length.isascii() and length.isdigit() and (len(length) > 15 or int(length) > limit):
                raise TooLargeError(f"body too large: {length[:15]} bytes are declared, {limit:,} allowed")
            if reason := judge_media_type(media_type):
                raise _Ended(FetchOutcome.REJECT, reason)
        chunks = _chunks(answer, limit, truncate=is_robots)
        trip.body = decode_body(chunks, _coding(trip), limit, truncate=is_robots)
        trip.is_whole = not is_robots or len(trip.body) < limit
        if not is_robots and (reason := judge_body(trip.body, feed=trip.kind == "feed", charset=charset)):
            raise _Ended(FetchOutcome.REJECT, reason)


def _chunks(answer: requests.Response, limit: int, *, truncate: bool = False) -> Iterator[bytes]:
    """The body as it is on the wire, up to `limit`. A body shorter than declared raises."""
    total = 0
    while chunk := answer.raw.read(_CHUNK, decode_content=False):
        total += len(chunk)
        yield chunk
        if total > limit:
            if truncate:
                return
            raise TooLargeError(f"body too large: more than {limit:,} bytes")


def _coding(trip: _Trip) -> str:
    stated = [value for name, value in trip.headers if name.lower() == "content-encoding"]
    codings = [coding.strip().lower() for value in stated for coding in value.split(",")]
    return ", ".join(coding for coding in codings if coding not in ("", "identity"))


def _as_text(header: str) -> str:
    """A Location header as text: HTTP hands bytes on as Latin-1, servers mean UTF-8."""
    try:
        return header.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return header


def _explain(error: BaseException) -> str:
    """A plain sentence for a failed exchange; never the exception's own text, which may hold the address."""
    chain: list[BaseException] = []
    pending: list[object] = [error]
    while pending and len(chain) < 20:
        item = pending.pop()
        if isinstance(item, BaseException) and item not in chain:
            chain.append(item)
            pending += [item.__cause__, item.__context__, getattr(item, "reason", None), *item.args]
    for item in chain:
        if isinstance(item, ssl.SSLCertVerificationError):
            return f"certificate not valid: {item.verify_message}"
    for kind, reason in _FAILURES.items():
        if any(isinstance(item, kind) for item in chain):
            return reason
    return f"no usable answer: {type(chain[-1]).__name__}"


_FAILURES: Mapping[type[BaseException], str] = {
    ssl.SSLError: "TLS failed",
    IncompleteRead: "answer was cut off",
    ConnectionRefusedError: "connection refused",
    ConnectionResetError: "connection lost",
    BrokenPipeError: "connection lost",
    TimeoutError: "no connection in time",
    HTTPException: "answer is not HTTP",
    OSError: "host not reachable",
}
