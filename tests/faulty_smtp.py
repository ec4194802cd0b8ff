"""A mail server on loopback that misbehaves as it is told, on plain sockets, and keeps what it took.

It knows of a message only that it arrived: `taken` holds (recipient, bytes) of each message that was ended by a dot
and not refused, whether or not the client was told.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from types import TracebackType


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server says, and does, instead of what is usual at a stage.

    `text` None says nothing. With `close` the connection is cut after it; `wait_s` passes before it.
    """

    text: str | None = None
    close: bool = False
    wait_s: float = 0.0
    takes: bool = False
    """At `end`: keep the message although the usual answer is not given."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A stage of a connection, as the script is asked about it."""

    stage: str
    recipient: str
    """Of this connection; empty before RCPT."""
    count: int
    """How often this stage has come for this recipient, from 1; before RCPT, for all connections."""


Script = Callable[[Moment], Reply | None]


@dataclass
class _Connection:
    recipient: str = ""
    encrypted: bool = False
    lines: list[str] = field(default_factory=list)


class FaultySmtp(AbstractContextManager["FaultySmtp"]):
    """Listens on 127.0.0.1 until left. `script` may answer differently at any moment."""

    def __init__(
        self,
        script: Script = lambda _moment: None,
        *,
        extensions: tuple[str, ...] = (),
        tls: ssl.SSLContext | None = None,
        implicit_tls: bool = False,
    ) -> None:
        self.taken: list[tuple[str, bytes]] = []
        self.commands: list[str] = []
        self.recipients: list[str] = []
        self.encrypted: list[bool] = []
        """For each message taken, whether it came over TLS."""
        self.connections = 0
        self._script = script
        self._extensions = extensions
        self._tls = tls
        self._implicit_tls = implicit_tls
        self._counts: dict[tuple[str, str], int] = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._closing = threading.Event()
        self._open: list[socket.socket] = []

    def __enter__(self) -> FaultySmtp:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            connection.close()
        self._thread.join(5)

    def taken_by(self, recipient: str) -> list[bytes]:
        """The messages for one recipient."""
        return [content for address, content in self.taken if address == recipient]

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            self.connections += 1
            with suppress(OSError):
                self._serve(connection)
            connection.close()

    def _serve(self, raw: socket.socket) -> None:
        state = _Connection()
        stream: socket.socket = raw
        stream.settimeout(20)
        if self._implicit_tls:
            assert self._tls is not None
            stream = self._tls.wrap_socket(stream, server_side=True)
            self._open.append(stream)
            state.encrypted = True
        if not self._answer(stream, state, "connect", "220 loopback ESMTP"):
            return
        reader = stream.makefile("rb")
        while line := reader.readline():
            text = line.decode("latin-1").rstrip("\r\n")
            self.commands.append(text)
            verb = text.split(" ")[0].upper()
            if verb in ("EHLO", "HELO"):
                offers = list(self._extensions)
                if self._tls is not None and not state.encrypted:
                    offers.append("STARTTLS")
                lines = ["loopback", *offers]
                usual = "\r\n".join(f"250{'-' if n < len(lines) else ' '}{name}" for n, name in enumerate(lines, 1))
                if not self._answer(stream, state, "ehlo", usual):
                    return
            elif verb == "STARTTLS":
                if not self._answer(stream, state, "starttls", "220 go ahead"):
                    return
                if self._tls is None:
                    continue
                reader.close()
                stream = self._tls.wrap_socket(stream, server_side=True)
                self._open.append(stream)
                reader = stream.makefile("rb")
                state.encrypted = True
            elif verb == "AUTH":
                if not self._answer(stream, state, "auth", "235 welcome"):
                    return
            elif verb == "MAIL":
                if not self._answer(stream, state, "mail", "250 sender ok"):
                    return
            elif verb == "RCPT":
                state.recipient = text.partition("<")[2].partition(">")[0]
                self.recipients.append(state.recipient)
                if not self._answer(stream, state, "rcpt", "250 recipient ok"):
                    return
            elif verb == "DATA":
                refusal = self._asked(state, "data")
                if not self._say(stream, refusal, "354 go on"):
                    return
                if refusal is not None:
                    continue
                cut = self._asked(state, "content")
                content = b""
                while not content.endswith(b"\r\n.\r\n"):
                    if cut is not None and len(content) > 500:
                        self._cut(stream)
                        return
                    part = reader.readline()
                    if not part:
                        return
                    content += part
                reply = self._asked(state, "end")
                if reply is None or reply.takes:
                    message = re.sub(rb"(?m)^\.", b"", content.removesuffix(b".\r\n"))
                    self.taken.append((state.recipient, message))
                    self.encrypted.append(state.encrypted)
                if not self._say(stream, reply, "250 taken"):
                    return
            elif verb == "QUIT":
                self._answer(stream, state, "quit", "221 bye")
                return
            else:
                self._say(stream, None, "250 ok")

    def _asked(self, state: _Connection, stage: str) -> Reply | None:
        key = (stage, state.recipient)
        self._counts[key] = self._counts.get(key, 0) + 1
        return self._script(Moment(stage, state.recipient, self._counts[key]))

    def _answer(self, stream: socket.socket, state: _Connection, stage: str, usual: str) -> bool:
        return self._say(stream, self._asked(state, stage), usual)

    def _say(self, stream: socket.socket, reply: Reply | None, usual: str) -> bool:
        """Whether the connection goes on."""
        if reply is None:
            stream.sendall(usual.encode() + b"\r\n")
            return True
        if reply.wait_s:
            time.sleep(reply.wait_s)
        if reply.text is not None:
            stream.sendall(reply.text.encode("latin-1") + b"\r\n")
        if reply.close:
            self._cut(stream)
        return not reply.close and not (reply.text or "").startswith("421")

    def _cut(self, stream: socket.socket) -> None:
        with suppress(OSError):
            stream.shutdown(socket.SHUT_RDWR)
        stream.close()
