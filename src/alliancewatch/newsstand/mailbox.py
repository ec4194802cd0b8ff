"""A mail server on the loopback address that keeps each message as a file: the readers of the demo's digest."""

from __future__ import annotations

import socket
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from aiosmtpd.smtp import SMTP, Envelope, Session

HOST = "127.0.0.1"


class Mailbox:
    """A real SMTP server from entry to exit; messages are `<folder>/<number>.eml` in the order they came."""

    def __init__(self, folder: Path) -> None:
        from aiosmtpd.controller import Controller

        self.folder = folder
        self.recipients: list[str] = []
        """Of each message, in the order of the files."""
        with socket.create_server((HOST, 0)) as free:
            self.port: int = free.getsockname()[1]
        self._controller = Controller(self, hostname=HOST, port=self.port, enable_SMTPUTF8=False)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keeps the message; named as aiosmtpd wants it."""
        assert isinstance(envelope.original_content, bytes)
        self.folder.mkdir(exist_ok=True)
        number = len(self.recipients) + 1
        (self.folder / f"{number}.eml").write_bytes(envelope.original_content)
        self.recipients += envelope.rcpt_tos
        return "250 kept"

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._controller.stop()
