"""Connections that cannot be led inside and cannot outlive their deadline.

The address is checked on the very IP the socket connects to, so no second look-up can swap it. Every read is armed
with the time that is left, so no trickle of bytes, in a header or in a body, can stretch a fetch.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import requests
import requests.adapters
import requests.utils
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import parse_url

from alliancewatch.fetch.addresses import IPAddress, refusal_of

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_MAX_ADDRESSES = 8
"""Addresses of one name that are tried."""

_INSIDE_SUFFIXES = (
    "localhost",
    "local",
    "localdomain",
    "internal",
    "intranet",
    "lan",
    "corp",
    "home",
    "private",
    "home.arpa",
)
"""Ends of names inside a network: RFC 6761, 6762 and 8375, ICANN's `internal`, and common private ones."""


class RefusedError(Exception):
    """An address that leads inside. Its text is a reason for a person."""


class UnresolvedError(Exception):
    """A name that does not resolve. Its text is a reason for a person."""


class Deadline:
    """A point on the monotonic clock that a whole fetch must end by."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    @property
    def passed(self) -> bool:
        """Whether the time is up, or as good as: a timer may fire a little early."""
        return time.monotonic() >= self._at - 0.01

    def remaining_s(self) -> float:
        """Seconds left, more than 0. Raises `TimeoutError` when there are none."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time for this fetch is up")
        return left

    def shorten(self, seconds: float) -> None:
        """Leave at most `seconds`."""
        self._at = min(self._at, time.monotonic() + seconds)

    def extend(self, seconds: float) -> None:
        """Leave out time spent waiting for our own sake."""
        self._at += seconds


@dataclass(frozen=True)
class Guard:
    """Opens the sockets of one fetch."""

    deadline: Deadline
    connect_timeout_s: float
    allowed: frozenset[IPAddress]
    """Addresses that may be contacted although they lead inside."""

    def connect(self, host: str, port: int) -> socket.socket:
        """A socket connected to `host`, on an address that has been checked.

        Of several addresses only the public ones are tried. Raises `RefusedError`, `UnresolvedError`, `OSError`.
        """
        found = self._resolve(host, port)
        refusals = {address: self._refusal(address) for _, address, _ in found}
        usable = [entry for entry in found if refusals[entry[1]] is None][:_MAX_ADDRESSES]
        if not usable:
            address, what = next(iter(refusals.items()))
            raise RefusedError(f"address {address} of {host} is {what}")
        connect_by = time.monotonic() + min(self.connect_timeout_s, self.deadline.remaining_s())
        failure: OSError = TimeoutError("no connection in time")
        for position, (family, _, sockaddr) in enumerate(usable):
            share = (connect_by - time.monotonic()) / (len(usable) - position)
            if share <= 0:
                break
            sock = _PlainSocket(family, socket.SOCK_STREAM)
            try:
                sock.deadline = self.deadline
                sock.settimeout(share)
                sock.connect(sockaddr)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.settimeout(self.deadline.remaining_s())
            except OSError as error:
                sock.close()
                failure = error
            else:
                return sock
        raise failure

    def _refusal(self, address: IPAddress) -> str | None:
        return None if address in self.allowed else refusal_of(address)

    def _resolve(self, host: str, port: int) -> list[tuple[int, IPAddress, Any]]:
        """(family, address, what `connect` takes) of each address of `host`."""
        try:
            answers = _look_up(host, port, self.deadline.remaining_s())
        except socket.gaierror as error:
            if _is_inside_name(host):
                raise RefusedError(f"{host} is no public name") from None
            what = "the resolver does not answer for" if error.errno == socket.EAI_AGAIN else "no such name:"
            raise UnresolvedError(f"{what} {host}") from None
        found = []
        for family, _, _, _, sockaddr in answers:
            if family in (socket.AF_INET, socket.AF_INET6):
                found.append((family, ip_address(str(sockaddr[0]).partition("%")[0]), sockaddr))
        if not found:
            raise UnresolvedError(f"{host} has no address")
        return found


def _is_inside_name(host: str) -> bool:
    labels = host.rstrip(".").split(".")
    return (
        len(labels) == 1
        or labels[-1] in _INSIDE_SUFFIXES
        or ".".join(labels[-2:]) in _INSIDE_SUFFIXES
        or labels[-1].isdecimal()
        or labels[-1].startswith("0x")
    )


def _look_up(host: str, port: int, timeout_s: float) -> Sequence[tuple[Any, ...]]:
    """`getaddrinfo`, which knows no time limit, in a thread that is left behind when it hangs."""
    answer: list[Sequence[tuple[Any, ...]] | OSError] = []

    def ask() -> None:
        try:
            answer.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except UnicodeError:
            answer.append(socket.gaierror(socket.EAI_NONAME, "not a host name"))
        except OSError as error:
            answer.append(error)

    thread = threading.Thread(target=ask, name=f"resolve {host}", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if not answer:
        raise socket.gaierror(socket.EAI_AGAIN, "no answer in time")
    if isinstance(answer[0], OSError):
        raise answer[0]
    return answer[0]


class _PlainSocket(socket.socket):
    deadline: Deadline

    def recv_into(self, buffer: WriteableBuffer, nbytes: int = 0, flags: int = 0) -> int:
        self.settimeout(self.deadline.remaining_s())
        return super().recv_into(buffer, nbytes, flags)


class _TlsSocket(ssl.SSLSocket):
    deadline: Deadline

    def recv_into(self, buffer: WriteableBuffer, nbytes: int | None = None, flags: int = 0) -> int:
        self.settimeout(self.deadline.remaining_s())
        return super().recv_into(buffer, nbytes, flags)


class _GuardedHTTPConnection(HTTPConnection):
    def __init__(self, *args: Any, guard: Guard, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._guard = guard

    def _new_conn(self) -> socket.socket:
        return self._guard.connect(self._dns_host, self.port)


class _GuardedHTTPSConnection(HTTPSConnection):
    def __init__(self, *args: Any, guard: Guard, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._guard = guard

    def _new_conn(self) -> socket.socket:
        return self._guard.connect(self._dns_host, self.port)

    def connect(self) -> None:
        super().connect()
        assert isinstance(self.sock, _TlsSocket)
        self.sock.deadline = self._guard.deadline


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _GuardedHTTPConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedHTTPSConnection


@cache
def tls_context() -> ssl.SSLContext:
    """What every TLS connection is checked with: the system's roots (`SSL_CERT_FILE` too) and Mozilla's."""
    context = ssl.create_default_context()
    context.load_verify_locations(requests.utils.DEFAULT_CA_BUNDLE_PATH)
    context.sslsocket_class = _TlsSocket
    return context


class GuardedAdapter(requests.adapters.HTTPAdapter):
    """Sends one request over one guarded connection.

    It is used without a `requests.Session`: that is what reads proxies and .netrc, carries cookies to other hosts,
    and reads the bodies of redirects, also when it is told not to follow them.
    """

    def __init__(self, guard: Guard) -> None:
        super().__init__(max_retries=0)
        self._guard = guard

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, *_: Any, **__: Any
    ) -> HTTPConnectionPool:
        """The pool for this one request."""
        url = parse_url(request.url or "")
        assert url.host is not None
        if url.scheme == "https":
            return _HTTPSPool(url.host, url.port, ssl_context=tls_context(), guard=self._guard)
        return _HTTPPool(url.host, url.port, guard=self._guard)

    def cert_verify(self, conn: Any, *_: Any, **__: Any) -> None:
        """Demand a valid certificate whatever the caller says; the context holds the roots."""
        conn.cert_reqs = "CERT_REQUIRED"
