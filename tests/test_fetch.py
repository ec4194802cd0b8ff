"""The fetch door against a server that misbehaves in every way we know: rows C-1 to C-42 of the fault catalogue."""

from __future__ import annotations

import datetime as dt
import resource
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fault_server import FAULTS, FEED, PAGE, Connection, Fault, FaultServer

from alliancewatch.errors import FetchError
from alliancewatch.fetch import Fetcher
from alliancewatch.fetch.addresses import refusal_of
from alliancewatch.fetch.connection import tls_context
from alliancewatch.model import FetchOutcome, Response
from alliancewatch.settings import FetchSettings

NOW = dt.datetime(2026, 11, 22, 9, 0, tzinfo=dt.UTC)
DEADLINE_S = 1.0


def settings(**changes: Any) -> FetchSettings:
    return FetchSettings(
        **{
            "user_agent": "AllianceWatch/1.0 (+https://example.jp/bot)",
            "deadline_s": DEADLINE_S,
            "allow_addresses": ("127.0.0.1", "::1"),
            "host_interval_s": 0.0,
            **changes,
        }
    )


def fetcher(**changes: Any) -> Fetcher:
    return Fetcher(settings(**changes), clock=lambda: NOW)


def fetch(url: str, kind: Any = "page", **changes: Any) -> Response:
    with fetcher(**changes) as door:
        return door.fetch(url, kind=kind)


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


OK = ["/ok", "/no-type", "/text-plain", "/gzip", "/gzip-members", "/gzip-padded", "/deflate", "/deflate-bare", "/br"]
OK += ["/zstd", "/chunked", "/redirect", "/redirect-utf8", "/cookie", "/redirect-bomb", "/redirect-endless", "/hops?9"]


@pytest.mark.parametrize("path", OK)
def test_a_page_comes_whole(server: FaultServer, path: str) -> None:
    response = fetch(server.url(path))
    assert (response.outcome, response.reason) == (FetchOutcome.OK, "fetched")
    assert response.body == PAGE
    assert response.status == 200


@pytest.mark.parametrize("path", ["/utf16", "/iso-2022-jp", "/nul", "/image-type"])
def test_odd_bytes_that_are_a_page_are_kept(server: FaultServer, path: str) -> None:
    assert fetch(server.url(path)).outcome is FetchOutcome.OK


FAULTY = {
    FetchOutcome.RETRY: [
        *("/banner", "/nothing", "/long-header", "/many-headers", "/two-lengths", "/short", "/chunk-unfinished"),
        *("/chunk-garbage", "/chunk-huge", "/reset", "/slow-header", "/slow-body", "/slow-chunk-size", "/stall"),
        *("/silent", "/continue", "/status-429", "/status-500", "/status-502", "/status-503", "/status-520"),
        "/status-522",
    ],
    FetchOutcome.REJECT: [
        *("/declared-10gb", "/endless", "/endless-chunks", "/bomb-gzip", "/bomb-deflate", "/bomb-br", "/bomb-zstd"),
        *("/bomb-nested", "/bomb-codings", "/gzip-cut", "/gzip-crc", "/gzip-plain", "/deflate-cut", "/br-cut"),
        *(
            "/zstd-cut",
            "/coding-unknown",
            "/loop",
            "/hops?50",
            "/no-location",
            "/304-unasked",
            "/204",
            "/empty",
            "/blank",
        ),
        *("/status-202", "/status-206", "/status-400", "/status-401", "/status-403", "/status-418", "/status-451"),
        *("/status-999", "/pdf", "/png", "/zip", "/random", "/json", "/jpeg-type", "/challenge-header"),
        *("/challenge-body", "/slow-403"),
    ],
    FetchOutcome.GONE: ["/status-404", "/status-410", "/no-such-page"],
    FetchOutcome.BLOCKED: ["/to-file", "/to-data", "/to-gopher", "/to-private", "/to-metadata"],
}


@pytest.mark.parametrize(("outcome", "path"), [(outcome, path) for outcome, paths in FAULTY.items() for path in paths])
def test_a_fault_ends_with_its_outcome_within_deadline_and_memory(
    server: FaultServer, outcome: FetchOutcome, path: str
) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.monotonic()
    response = fetch(server.url(path))
    assert time.monotonic() - started < DEADLINE_S + 1
    assert response.outcome is outcome, response.reason
    assert response.body == b""
    assert response.reason
    assert server.address not in response.reason
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


def test_every_fault_has_an_expectation() -> None:
    expected = {path.partition("?")[0] for paths in [OK, *FAULTY.values()] for path in paths}
    elsewhere = {"/utf16", "/iso-2022-jp", "/nul", "/image-type", "/conditional", "/feed-as-html"}
    assert set(FAULTS) - expected - elsewhere == {path for path in FAULTS if path.startswith("/retry-")}


def test_a_feed_may_be_gzip_or_json_but_no_pdf(server: FaultServer) -> None:
    assert fetch(server.url("/feed-as-html"), "feed").body == FEED
    assert fetch(server.url("/json"), "feed").outcome is FetchOutcome.OK
    assert fetch(server.url("/pdf"), "feed").reason == "not a page: a PDF"


def test_a_bot_challenge_is_named(server: FaultServer) -> None:
    assert fetch(server.url("/challenge-header")).reason == "bot challenge: Cloudflare answered 403"
    assert fetch(server.url("/challenge-body")).reason == "bot challenge: Cloudflare answered 503"


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        *(("120", 120), ("date", 600), ("past", 0), ("negative", None), ("garbage", None)),
        *(("huge", 604800), ("enormous", 604800)),
    ],
)
def test_retry_after_is_read_and_clamped(server: FaultServer, name: str, seconds: float | None) -> None:
    response = fetch(server.url(f"/retry-{name}"))
    assert (response.outcome, response.retry_after_s) == (FetchOutcome.RETRY, seconds)


def test_a_host_that_asks_to_wait_is_left_alone(server: FaultServer) -> None:
    with fetcher(host_interval_s=0.01) as door:
        door.fetch(server.url("/retry-120"))
        seen = len(server.requests)
        response = door.fetch(server.url("/ok"))
    assert (response.outcome, len(server.requests)) == (FetchOutcome.RETRY, seen)
    assert response.retry_after_s is not None
    assert 110 < response.retry_after_s <= 120


def test_not_modified_only_for_our_own_validators(server: FaultServer) -> None:
    with fetcher() as door:
        first = door.fetch(server.url("/conditional"), kind="feed")
        again = door.fetch(server.url("/conditional"), kind="feed", etag=first.etag, last_modified=first.last_modified)
    assert (first.etag, first.last_modified) == ('"v1"', "Sun, 22 Nov 2026 09:00:00 GMT")
    assert (again.outcome, again.status, again.etag) == (FetchOutcome.NOT_MODIFIED, 304, None)


def test_where_a_redirect_led_is_kept(server: FaultServer) -> None:
    response = fetch(server.url("/redirect"))
    assert response.url == server.url("/redirect")
    assert response.final_url == server.url("/ok")
    assert response.redirects == ((301, server.url("/redirect")),)


def test_the_request_says_who_asks_and_what_it_takes(server: FaultServer) -> None:
    fetch(server.url("/ok#part"))
    _, path, headers = server.requests[-1]
    assert path == "/ok"
    assert headers["user-agent"] == "AllianceWatch/1.0 (+https://example.jp/bot)"
    assert headers["accept-encoding"] == "gzip, deflate, br, zstd"
    assert "cookie" not in headers


def test_headers_never_hold_cookies(server: FaultServer) -> None:
    assert "set-cookie" not in {name.lower() for name, _ in fetch(server.url("/cookie")).headers}


def test_cookies_do_not_reach_another_host() -> None:
    def ask(connection: Connection, path: str, given: Any) -> None:
        connection.page()

    with FaultServer({"/": ask}, address="127.0.0.2") as other:

        def send(connection: Connection, path: str, given: Any) -> None:
            cookies = ("Set-Cookie: secret=canary; Path=/", "Set-Cookie: wide=canary; Domain=127.0.0.2; Path=/")
            connection.answer(b"", *cookies, f"Location: {other.root}/", status="302 Found")

        with FaultServer({"/": send}) as first:
            response = fetch(first.url("/"), allow_addresses=("127.0.0.1", "127.0.0.2"))
        assert response.outcome is FetchOutcome.OK
        assert "cookie" not in other.requests[-1][2]


def test_proxy_and_netrc_of_the_account_are_not_used(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login operator password canary\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.9:9")
    assert fetch(server.url("/ok")).outcome is FetchOutcome.OK
    assert "authorization" not in server.requests[-1][2]


# Addresses that lead inside.

INSIDE = [
    *("127.0.0.2", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1"),
    *("169.254.169.254", "192.0.0.192", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1"),
    *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "168.63.129.16", "100.100.100.200"),
    *("::", "::2", "::ffff:127.0.0.2", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::a00:1", "64:ff9b::7f00:1"),
    *("64:ff9b:1::a00:1", "2002:a00:1::1", "2002:7f00:1::", "2001::1", "2001:db8::1", "fc00::1", "fd00:ec2::254"),
    *("fe80::1", "fec0::1", "ff02::1", "3fff::1", "5f00::1", "100::1", "::ffff:0:127.0.0.1", "2001:10::1"),
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "192.0.1.1", "198.20.0.1", "223.255.255.255"]
PUBLIC += ["2606:4700::1111", "2001:4860:4860::8888", "2400:cb00::1", "64:ff9b::808:808", "::ffff:8.8.8.8"]


@pytest.mark.parametrize("address", INSIDE)
def test_an_inside_address_is_known(address: str) -> None:
    assert refusal_of(ip_address(address)) is not None


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_known(address: str) -> None:
    assert refusal_of(ip_address(address)) is None


LITERALS = [
    *("127.0.0.2", "127.2", "127.0.2", "0x7f000002", "0x7f.0x0.0x0.0x2", "0177.0.0.2", "2130706434", "127.0.0.2."),
    *("127。0。0。2", "①②⑦.⓪.⓪.②", "１２７.０.０.２", "%31%32%37.0.0.2", "[::ffff:127.0.0.2]", "[::ffff:7f00:2]"),
    *("[0:0:0:0:0:ffff:127.0.0.2]", "[::127.0.0.2]", "[64:ff9b::7f00:2]", "[2002:7f00:2::]", "0", "[::]", "[fe80::1]"),
    *("[fe80::1%25lo]", "user@127.0.0.2", "127.0.0.1@127.0.0.2", "1.1.1.1\\@127.0.0.2", "metadata.google.internal"),
    *("printer.local", "intranet", "0x7f.2", "00000177.2", "127.0.0.2%00.example.jp", "127.0.0.2\t", "017700000002"),
]


@pytest.mark.parametrize(
    ("path", "met"),
    [
        ("/redirect", [("page", "/redirect", 301, False), ("page", "/ok", 200, True)]),
        ("/status-404", [("page", "/status-404", 404, False)]),
        ("/short", [("page", "/short", 200, False)]),
        ("/declared-10gb", [("page", "/declared-10gb", 200, False)]),
        ("/json", [("page", "/json", 200, True)]),
        ("/banner", []),
    ],
)
def test_every_answer_met_is_handed_on(server: FaultServer, path: str, met: list[tuple[str, str, int, bool]]) -> None:
    response = fetch(server.url(path), respect_robots=True)
    robots, *exchanges = response.exchanges
    assert (robots.kind, robots.url) == ("robots", server.url("/robots.txt"))
    assert [(item.kind, item.url, item.status, item.is_whole) for item in exchanges] == [
        (kind, server.url(at), status, is_whole) for kind, at, status, is_whole in met
    ]
    assert all(item.asked_at == NOW for item in exchanges)
    if response.outcome == "ok":
        assert exchanges[-1].body == response.body
        assert exchanges[-1].headers == response.headers


def test_what_a_wall_showed_is_kept(server: FaultServer) -> None:
    response = fetch(server.url("/challenge-body"))
    assert response.body == b""
    assert response.exchanges[-1].body
    assert not response.exchanges[-1].is_whole


@pytest.mark.parametrize("via_redirect", [False, True], ids=["direct", "redirect"])
@pytest.mark.parametrize("literal", LITERALS)
def test_no_spelling_of_an_inside_address_is_contacted(literal: str, via_redirect: bool) -> None:
    def page(connection: Connection, path: str, given: Any) -> None:
        connection.page()

    with FaultServer({"/": page}, address="127.0.0.2") as canary:
        target = f"http://{literal}:{canary.port}/"
        if via_redirect:

            def send(connection: Connection, path: str, given: Any) -> None:
                connection.send(f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode())

            with FaultServer({"/": send}) as first:
                response = fetch(first.url("/"), respect_robots=False)
        else:
            response = fetch(target)
        assert response.outcome is FetchOutcome.BLOCKED, response.reason
        assert canary.connections == 0


class Resolver:
    """Answers look-ups of `rebind.example` from a list, one entry a look-up; counts them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answers: list[list[str]]) -> None:
        self.asked = 0
        real = socket.getaddrinfo

        def look_up(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
            if host != "rebind.example":
                return real(host, port, *args, **kwargs)
            answer = answers[min(self.asked, len(answers) - 1)]
            self.asked += 1
            return [entry for address in answer for entry in real(address, port, *args, **kwargs)]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)


def test_a_name_that_changes_its_address_reaches_nothing_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    def page(connection: Connection, path: str, given: Any) -> None:
        connection.page()

    with FaultServer({"/": page}, address="127.0.0.2") as canary, FaultServer({"/": page}) as site:
        resolver = Resolver(monkeypatch, [["127.0.0.1"], ["127.0.0.2"], ["127.0.0.1"], ["127.0.0.2"]])
        with fetcher(respect_robots=False) as door:
            outcomes = [door.fetch(f"http://rebind.example:{canary.port}/").outcome for _ in range(4)]
        assert outcomes == [FetchOutcome.RETRY, FetchOutcome.BLOCKED, FetchOutcome.RETRY, FetchOutcome.BLOCKED]
        assert resolver.asked == 4
        assert (canary.connections, site.connections) == (0, 0)


def test_of_a_mixed_answer_only_the_public_address_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def page(connection: Connection, path: str, given: Any) -> None:
        connection.page()

    with FaultServer({"/": page}) as site:
        Resolver(monkeypatch, [["127.0.0.2", "127.0.0.1", "10.0.0.1"]])
        response = fetch(f"http://rebind.example:{site.port}/")
        assert response.outcome is FetchOutcome.OK
        assert site.requests[-1][2]["host"] == f"rebind.example:{site.port}"


def test_a_hanging_resolver_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: release.wait(10) and [])
    response = fetch("http://slow.example.jp/", deadline_s=0.3)
    release.set()
    assert response.outcome is FetchOutcome.RETRY
    assert response.reason == "name: the resolver does not answer for slow.example.jp"
    assert response.elapsed_s < 1


def test_a_name_without_address_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    response = fetch("https://no-such-paper.example/")
    assert (response.outcome, response.reason) == (FetchOutcome.RETRY, "name: no such name: no-such-paper.example")


def test_a_closed_port_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    response = fetch(f"http://127.0.0.1:{port}/")
    assert (response.outcome, response.reason) == (FetchOutcome.RETRY, "connection refused")


def test_a_connection_that_is_not_accepted_ends_in_its_own_time() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(address)
        response = fetch(f"http://127.0.0.1:{address[1]}/", deadline_s=5, connect_timeout_s=0.3)
        for sock in waiting:
            sock.close()
    assert (response.outcome, response.reason) == (FetchOutcome.RETRY, "no connection in time")
    assert response.elapsed_s < 1


@pytest.mark.parametrize(
    ("url", "outcome"),
    [
        ("", FetchOutcome.REJECT),
        ("not an address", FetchOutcome.REJECT),
        ("/path", FetchOutcome.REJECT),
        ("http://", FetchOutcome.REJECT),
        ("https://example.jp/" + "a" * 10_000, FetchOutcome.REJECT),
        ("ftp://example.jp/", FetchOutcome.BLOCKED),
        ("file:///etc/passwd", FetchOutcome.BLOCKED),
        ("javascript:alert(1)", FetchOutcome.BLOCKED),
        ("http://a:b@example.jp/", FetchOutcome.BLOCKED),
        ("http://a b.jp/", FetchOutcome.BLOCKED),
        ("http://exa\rmple.local/", FetchOutcome.BLOCKED),
    ],
)
def test_what_is_no_address_never_leaves(url: str, outcome: FetchOutcome) -> None:
    response = fetch(url)
    assert response.outcome is outcome, response.reason
    assert response.status is None


@pytest.fixture
def tls(monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """A server's context; its own certificate, for 127.0.0.1 alone, is the one root that clients trust."""
    certificate = Path(__file__).parent / "tls" / "loopback.pem"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls_context.cache_clear()
    yield context
    tls_context.cache_clear()


@pytest.mark.parametrize("path", ["/ok", "/chunked", "/br"])
def test_a_page_comes_over_tls(tls: ssl.SSLContext, path: str) -> None:
    with FaultServer(tls=tls) as server:
        assert fetch(server.url(path), respect_robots=False).body == PAGE


@pytest.mark.parametrize("path", ["/slow-header", "/slow-body", "/stall"])
def test_the_deadline_holds_over_tls(tls: ssl.SSLContext, path: str) -> None:
    with FaultServer(tls=tls) as server:
        response = fetch(server.url(path), respect_robots=False)
    assert (response.outcome, response.reason) == (FetchOutcome.RETRY, "no complete answer within 1 s")
    assert response.elapsed_s < DEADLINE_S + 0.5


def test_a_certificate_for_another_host_is_refused(tls: ssl.SSLContext) -> None:
    with FaultServer(tls=tls, address="127.0.0.3") as server:
        response = fetch(server.url("/ok"), allow_addresses=("127.0.0.3",))
    assert response.outcome is FetchOutcome.RETRY
    assert response.reason.startswith("certificate not valid: IP address mismatch")
    assert server.requests == []


def test_a_certificate_nobody_vouches_for_is_refused(tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    tls_context.cache_clear()
    with FaultServer(tls=tls) as server:
        response = fetch(server.url("/ok"))
    assert (response.outcome, response.reason) == (FetchOutcome.RETRY, "certificate not valid: self-signed certificate")


def test_a_server_that_speaks_no_tls_is_tried_again(server: FaultServer) -> None:
    response = fetch(server.url("/ok").replace("http:", "https:"), respect_robots=False)
    assert response.outcome is FetchOutcome.RETRY
    assert response.reason in ("TLS failed", "connection lost", "no complete answer within 1 s")


def test_an_ipv6_host_is_fetched() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 on this machine")
    try:
        server = FaultServer(address="::1")
    except OSError:
        pytest.skip("no IPv6 on this machine")
    with server:
        assert fetch(server.url("/ok")).outcome is FetchOutcome.OK


def test_a_port_beyond_the_last_one_is_rejected() -> None:
    response = fetch("http://news.example:99999/")
    assert (response.outcome, response.reason) == (FetchOutcome.REJECT, "not a port: 99999")


# Politeness.


def site(robots: Fault | None = None, **pages: Fault) -> FaultServer:
    def page(connection: Connection, path: str, given: Any) -> None:
        connection.page()

    faults: dict[str, Fault] = {f"/{name}": page for name in ("a", "b", "c")}
    faults.update({f"/{name}": fault for name, fault in pages.items()})
    if robots is not None:
        faults["/robots.txt"] = robots
    return FaultServer(faults)


def text(body: bytes, *headers: str, status: str = "200 OK") -> Fault:
    return lambda connection, path, given: connection.answer(body, *headers, status=status)


DISALLOW = b"User-agent: *\nDisallow: /a\n"


def to_self(connection: Connection, path: str, given: Any) -> None:
    connection.answer(b"", "Location: /robots.txt", status="302 Found")


def silence(connection: Connection, path: str, given: Any) -> None:
    connection.pause(30)


ROBOTS = {
    "disallow": (text(DISALLOW), FetchOutcome.BLOCKED),
    "bom": (text(b"\xef\xbb\xbf" + DISALLOW), FetchOutcome.BLOCKED),
    "ours": (text(b"User-agent: *\nDisallow: /\n\nUser-agent: AllianceWatch\nDisallow:\n"), FetchOutcome.OK),
    "ours-no": (text(b"User-agent: *\nDisallow:\n\nUser-agent: alliancewatch/2\nDisallow: /\n"), FetchOutcome.BLOCKED),
    "404": (text(b"none", status="404 Not Found"), FetchOutcome.OK),
    "403": (text(b"none", status="403 Forbidden"), FetchOutcome.OK),
    "500": (text(b"none", status="500 Internal Server Error"), FetchOutcome.RETRY),
    "429": (text(b"none", status="429 Too Many Requests"), FetchOutcome.RETRY),
    "html": (text(b"<!doctype html><pre>\nUser-agent: *\nDisallow: /\n</pre>"), FetchOutcome.OK),
    "large": (text(b"User-agent: *\nDisallow: /nothing\n" + b"# filler\n" * 1_200_000), FetchOutcome.OK),
    "large-first": (text(DISALLOW + b"# filler\n" * 1_200_000), FetchOutcome.BLOCKED),
    "loop": (to_self, FetchOutcome.OK),
    "silent": (silence, FetchOutcome.RETRY),
    "empty": (text(b""), FetchOutcome.OK),
    "delay-day": (text(b"User-agent: *\nCrawl-delay: 86400\n"), FetchOutcome.BLOCKED),
    "delay": (text(b"User-agent: *\nCrawl-delay: 2\n"), FetchOutcome.OK),
    "damaged": (text(b"\x1f\x8bxx", "Content-Encoding: gzip"), FetchOutcome.RETRY),
    "to-inside": (text(b"", "Location: http://10.0.0.1/robots.txt", status="302 Found"), FetchOutcome.BLOCKED),
}


@pytest.mark.parametrize("name", list(ROBOTS))
def test_robots_txt_is_obeyed(name: str) -> None:
    robots, outcome = ROBOTS[name]
    with site(robots) as running:
        started = time.monotonic()
        response = fetch(running.url("/a"))
        assert time.monotonic() - started < DEADLINE_S + 1
        assert response.outcome is outcome, response.reason
        if outcome is not FetchOutcome.OK:
            assert "/a" not in [path for _, path, _ in running.requests]


def test_robots_txt_is_read_once_and_holds_for_redirect_targets() -> None:
    def moved(connection: Connection, path: str, given: Any) -> None:
        connection.answer(b"", "Location: /a", status="302 Found")

    with site(text(DISALLOW), moved=moved) as running, fetcher() as door:
        outcomes = [door.fetch(running.url(path)).outcome for path in ("/b", "/c", "/moved")]
        assert outcomes == [FetchOutcome.OK, FetchOutcome.OK, FetchOutcome.BLOCKED]
        assert [path for _, path, _ in running.requests] == ["/robots.txt", "/b", "/c", "/moved"]


def test_robots_txt_can_be_left_out_of_it() -> None:
    with site(text(DISALLOW)) as running:
        assert fetch(running.url("/a"), respect_robots=False).outcome is FetchOutcome.OK


def test_one_host_sees_one_request_at_a_time_with_a_pause() -> None:
    busy = threading.Semaphore(1)
    overlaps: list[str] = []

    def page(connection: Connection, path: str, given: Any) -> None:
        if not busy.acquire(blocking=False):
            overlaps.append(path)
            return
        time.sleep(0.02)
        connection.page()
        busy.release()

    with site(a=page) as running, fetcher(host_interval_s=0.15) as door:
        with ThreadPoolExecutor(4) as pool:
            responses = list(pool.map(door.fetch, [running.url("/a")] * 4))
        times = [when for when, path, _ in running.requests if path == "/a"]
        assert not overlaps
        assert all(response.outcome is FetchOutcome.OK for response in responses)
        assert min(later - earlier for earlier, later in pairwise(times)) >= 0.15
        assert max(response.elapsed_s for response in responses) < 0.15


def test_a_crawl_delay_is_kept() -> None:
    with site(text(b"User-agent: *\nCrawl-delay: 0.3\n")) as running, fetcher() as door:
        for path in ("/a", "/b"):
            door.fetch(running.url(path))
        times = [when for when, path, _ in running.requests if path != "/robots.txt"]
        assert times[1] - times[0] >= 0.3


def test_a_silent_host_does_not_hold_up_the_others() -> None:
    with FaultServer({"/a": FAULTS["/silent"]}) as poisoned, site() as healthy, fetcher() as door:
        with ThreadPoolExecutor(2) as pool:
            slow = pool.submit(door.fetch, poisoned.url("/a"))
            started = time.monotonic()
            outcomes = [door.fetch(healthy.url("/a")).outcome for _ in range(5)]
            quick = time.monotonic() - started
        assert outcomes == [FetchOutcome.OK] * 5
        assert quick < 0.5
        assert slow.result().outcome is FetchOutcome.RETRY


def test_a_closed_fetcher_says_so() -> None:
    with fetcher() as door:
        pass
    with pytest.raises(FetchError, match="closed"):
        door.fetch("https://example.jp/")
