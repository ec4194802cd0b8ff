"""A web server on loopback that does what the web does to a crawler: one path for each fault.

`FaultServer` speaks raw bytes, since most faults are ones that an HTTP library refuses to make. Each fault is a
function that is given the connection, the request's path with its query, and its headers.
"""

from __future__ import annotations

import contextlib
import gzip
import socket
import ssl
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Self

import brotli
from backports import zstd

PAGE = (
    "<!doctype html><html><head><title>日米協議</title></head><body><p>日米協議が開かれた。</p></body></html>".encode()
)
FEED = b"<?xml version='1.0'?><rss version='2.0'><channel><title>F</title><item><title>A</title></item></channel></rss>"

Fault = Callable[["Connection", str, Mapping[str, str]], None]


class Connection:
    """One accepted connection; writes go on until the client leaves or the server stops."""

    def __init__(self, sock: socket.socket, stop: threading.Event) -> None:
        self.sock = sock
        self.stop = stop

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def pause(self, seconds: float) -> None:
        if self.stop.wait(seconds):
            raise ConnectionAbortedError("server stops")

    def answer(self, body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def page(self, body: bytes = PAGE, *headers: str, status: str = "200 OK") -> None:
        self.answer(body, "Content-Type: text/html; charset=utf-8", *headers, status=status)

    def trickle(self, data: bytes) -> None:
        while True:
            for byte in data:
                self.send(bytes([byte]))
                self.pause(0.05)

    def pour(self, data: bytes) -> None:
        while not self.stop.is_set():
            self.send(data)


class FaultServer:
    """Serves `faults` by path on a free port of `address`, over TLS when given a context; keeps what it was asked."""

    def __init__(
        self,
        faults: Mapping[str, Fault] | None = None,
        *,
        address: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.faults = dict(FAULTS if faults is None else faults)
        self.address = address
        self.requests: list[tuple[float, str, dict[str, str]]] = []
        """(monotonic time, path, headers) of each request."""
        self.connections = 0
        self._tls = tls
        self._stop = threading.Event()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, 0), family=family, backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    @property
    def root(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    def url(self, path: str) -> str:
        return self.root + path

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            sock if self._tls is None else self._tls.wrap_socket(sock, server_side=True) as sock,
        ):
            sock.settimeout(5)
            head = b""
            while b"\r\n\r\n" not in head:
                data = sock.recv(65536)
                if not data:
                    return
                head += data
            request, *lines = head.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
            path = request.split(" ")[1]
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            self.requests.append((time.monotonic(), path, headers))
            fault = self.faults.get(path.partition("?")[0], _missing)
            fault(Connection(sock, self._stop), path, headers)


def _missing(connection: Connection, path: str, headers: Mapping[str, str]) -> None:
    connection.page(b"<p>no such page</p>", status="404 Not Found")


def _said(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> Fault:
    return lambda connection, path, given: connection.answer(body, *headers, status=status, length=length)


def _html(body: bytes = PAGE, *headers: str, status: str = "200 OK") -> Fault:
    return lambda connection, path, given: connection.page(body, *headers, status=status)


def _raw(*pieces: bytes) -> Fault:
    return lambda connection, path, given: connection.send(b"".join(pieces))


def _to(location: str, status: str = "302 Found") -> Fault:
    return lambda connection, path, given: connection.answer(b"", f"Location: {location}", status=status)


def _zeros(compress: Callable[[bytes], bytes], flush: Callable[[], bytes], mebibytes: int) -> Iterator[bytes]:
    for _ in range(mebibytes):
        yield compress(bytes(1 << 20))
    yield flush()


def _bombs() -> dict[str, bytes]:
    """300 MiB of zeros in each coding."""
    squeeze, deflate = zlib.compressobj(9, wbits=31), zlib.compressobj(9, wbits=15)
    brown, standard = brotli.Compressor(quality=5), zstd.ZstdCompressor(level=3)
    return {
        "gzip": b"".join(_zeros(squeeze.compress, squeeze.flush, 300)),
        "deflate": b"".join(_zeros(deflate.compress, deflate.flush, 300)),
        "br": b"".join(_zeros(brown.process, brown.finish, 300)),
        "zstd": b"".join(_zeros(standard.compress, standard.flush, 300)),
    }


def _nested_gzip(body: bytes, times: int) -> bytes:
    for _ in range(times):
        body = gzip.compress(body)
    return body


def _slow_header(connection: Connection, path: str, given: Mapping[str, str]) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    connection.trickle(b"a")


def _slow_body(connection: Connection, path: str, given: Mapping[str, str]) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>")
    connection.trickle(b"slow ")


def _slow_chunk_size(connection: Connection, path: str, given: Mapping[str, str]) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;")
    connection.trickle(b"x")


def _stall(connection: Connection, path: str, given: Mapping[str, str]) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n0123456789")
    connection.pause(60)


def _silent(connection: Connection, path: str, given: Mapping[str, str]) -> None:
    connection.pause(60)


def _slow_error(connection: Connection, path: str, given: Mapping[str, str]) -> None:
    connection.send(b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\n\r\n")
    connection.trickle(b"no ")


def _continue_for_ever(connection: Connection, path: str, given: Mapping[str, str]) -> None:
    connection.pour(b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n" * 100)


def _reset(connection: Connection, path: str, given: Mapping[str, str]) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n<p>half")
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _endless(head: bytes, data: bytes = b"x" * 65536) -> Fault:
    def fault(connection: Connection, path: str, given: Mapping[str, str]) -> None:
        connection.send(b"HTTP/1.1 " + head + b"\r\n\r\n")
        connection.pour(data)

    return fault


def _endless_chunks(connection: Connection, path: str, given: Mapping[str, str]) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n")
    connection.pour(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")


def _hops(connection: Connection, path: str, given: Mapping[str, str]) -> None:
    left = int(path.partition("?")[2])
    connection.answer(b"", f"Location: /hops?{left - 1}" if left else "Location: /ok", status="302 Found")


def _conditional(connection: Connection, path: str, given: Mapping[str, str]) -> None:
    if given.get("if-none-match") == '"v1"':
        connection.send(b'HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\n\r\n')
    else:
        connection.page(FEED, 'ETag: "v1"', "Last-Modified: Sun, 22 Nov 2026 09:00:00 GMT")


def _cookie(connection: Connection, path: str, given: Mapping[str, str]) -> None:
    if "seen=1" in given.get("cookie", ""):
        connection.page()
    else:
        connection.answer(b"", "Set-Cookie: seen=1", "Location: /cookie", status="302 Found")


def _coded(body: bytes, coding: str) -> Fault:
    return _said(body, "Content-Type: text/html", f"Content-Encoding: {coding}")


def _faults() -> dict[str, Fault]:
    bombs = _bombs()
    bare = zlib.compressobj(wbits=-15)
    wrong_crc = bytearray(gzip.compress(PAGE))
    wrong_crc[-6] ^= 0xFF
    return {
        "/ok": _html(),
        "/no-type": _said(PAGE),
        "/text-plain": _said(PAGE, "Content-Type: text/plain"),
        "/feed-as-html": _said(FEED, "Content-Type: text/html"),
        "/utf16": _said("<p>日米</p>".encode("utf-16-le"), "Content-Type: text/html; charset=UTF-16LE"),
        "/iso-2022-jp": _said("<p>日米同盟</p>".encode("iso-2022-jp"), "Content-Type: text/html; charset=iso-2022-jp"),
        "/nul": _html(b"<p>a\x00b\x00c</p>"),
        "/gzip": _coded(gzip.compress(PAGE), "gzip"),
        "/gzip-members": _coded(gzip.compress(PAGE[:50]) + gzip.compress(PAGE[50:]), "gzip"),
        "/gzip-padded": _coded(gzip.compress(PAGE) + b"\0" * 20, "x-gzip"),
        "/deflate": _coded(zlib.compress(PAGE), "deflate"),
        "/deflate-bare": _coded(bare.compress(PAGE) + bare.flush(), "deflate"),
        "/br": _coded(brotli.compress(PAGE), "br"),
        "/zstd": _coded(zstd.compress(PAGE), "zstd"),
        "/chunked": _raw(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n",
            *(b"%x\r\n%b\r\n" % (len(part), part) for part in (PAGE[:20], PAGE[20:])),
            b"0\r\n\r\n",
        ),
        "/redirect": _to("/ok", "301 Moved Permanently"),
        "/redirect-utf8": _raw("HTTP/1.1 302 Found\r\nLocation: /ok?q=日米\r\nContent-Length: 0\r\n\r\n".encode()),
        "/conditional": _conditional,
        "/cookie": _cookie,
        "/banner": _raw(b"SSH-2.0-OpenSSH_9.6\r\n"),
        "/nothing": _raw(),
        "/long-header": _raw(b"HTTP/1.1 200 OK\r\nX: " + b"a" * (4 << 20) + b"\r\n\r\n"),
        "/many-headers": _raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000 + b"\r\n" + PAGE),
        "/two-lengths": _raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 9\r\n\r\n<p>ab</p>"),
        "/short": _said(PAGE, "Content-Type: text/html", length=len(PAGE) + 100),
        "/chunk-unfinished": _raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n<p>ab\r\n"),
        "/chunk-garbage": _raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n<p>ab\r\n0\r\n\r\n"),
        "/chunk-huge": _raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFF\r\n<p>ab"),
        "/reset": _reset,
        "/slow-header": _slow_header,
        "/slow-body": _slow_body,
        "/slow-chunk-size": _slow_chunk_size,
        "/stall": _stall,
        "/silent": _silent,
        "/continue": _continue_for_ever,
        "/slow-403": _slow_error,
        "/declared-10gb": _said(b"x", "Content-Type: text/html", length=10_000_000_000),
        "/endless": _endless(b"200 OK\r\nContent-Type: text/html"),
        "/endless-chunks": _endless_chunks,
        **{f"/bomb-{coding}": _coded(body, coding) for coding, body in bombs.items()},
        "/bomb-nested": _coded(_nested_gzip(bytes(1 << 20), 11), "gzip"),
        "/bomb-codings": _coded(_nested_gzip(bytes(1 << 20), 12), ", ".join(["gzip"] * 12)),
        "/gzip-cut": _coded(gzip.compress(PAGE * 50)[:-30], "gzip"),
        "/gzip-crc": _coded(bytes(wrong_crc), "gzip"),
        "/gzip-plain": _coded(PAGE, "gzip"),
        "/deflate-cut": _coded(zlib.compress(PAGE * 50)[:-10], "deflate"),
        "/br-cut": _coded(brotli.compress(PAGE * 50)[:-5], "br"),
        "/zstd-cut": _coded(zstd.compress(PAGE * 50)[:-5], "zstd"),
        "/coding-unknown": _coded(PAGE, "x-secret"),
        "/loop": _to("/loop"),
        "/hops": _hops,
        "/no-location": _said(b"", status="302 Found"),
        "/redirect-bomb": _said(bombs["gzip"], "Content-Encoding: gzip", "Location: /ok", status="302 Found"),
        "/redirect-endless": _endless(b"302 Found\r\nLocation: /ok"),
        "/to-file": _to("file:///etc/passwd"),
        "/to-data": _to("data:text/html,<p>x</p>"),
        "/to-gopher": _to("gopher://127.0.0.1:70/x"),
        "/to-private": _to("http://10.0.0.1/"),
        "/to-metadata": _to("http://169.254.169.254/latest/meta-data/"),
        "/304-unasked": _raw(b"HTTP/1.1 304 Not Modified\r\n\r\n"),
        **{
            f"/status-{status}": _html(b"<p>x</p>", status=f"{status} Status")
            for status in (202, 206, 400, 401, 403, 404, 410, 418, 429, 451, 500, 502, 503, 520, 522, 999)
        },
        "/204": _raw(b"HTTP/1.1 204 No Content\r\n\r\n"),
        "/empty": _html(b""),
        "/blank": _html(b" \r\n\t \n" * 500),
        **{
            f"/retry-{name}": _html(b"<p>x</p>", f"Retry-After: {value}", status="503 Service Unavailable")
            for name, value in {
                "120": "120",
                "date": "Sun, 22 Nov 2026 09:10:00 GMT",
                "past": "Sun, 22 Nov 2020 09:10:00 GMT",
                "negative": "-5",
                "garbage": "soon",
                "huge": "99999999999",
                "enormous": "9" * 5000,
            }.items()
        },
        "/pdf": _html(b"%PDF-1.7\n" + bytes(200)),
        "/png": _html(b"\x89PNG\r\n\x1a\n" + bytes(200)),
        "/zip": _html(b"PK\x03\x04" + bytes(200)),
        "/random": _html(bytes(range(256)) * 20),
        "/json": _html(b'{"error": {"code": 500}}'),
        "/image-type": _said(PAGE, "Content-Type: image/svg+xml; charset=utf-8"),
        "/jpeg-type": _said(PAGE, "Content-Type: image/jpeg"),
        "/challenge-header": _html(b"<p>x</p>", "cf-mitigated: challenge", status="403 Forbidden"),
        "/challenge-body": _html(
            b"<title>Just a moment...</title><script src='/cdn-cgi/challenge-platform/h/b/orchestrate'></script>",
            status="503 Service Unavailable",
        ),
    }


FAULTS: Mapping[str, Fault] = _faults()
