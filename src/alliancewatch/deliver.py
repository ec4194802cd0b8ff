"""The one door to SMTP: a week's digest to each recipient, once, with a ledger row before and after every exchange.

Each message has a connection of its own and one recipient. What SMTP leaves open is kept open: a server that was given
the whole message and then said nothing may or may not have taken it (RFC 5321 4.5.3.2.6, RFC 1047). Such an end is
`unknown` and gets one more try with the same Message-ID, by which mail programs drop the second copy.
"""

from __future__ import annotations

import base64
import platform
import re
import smtplib
import ssl
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from email.parser import BytesHeaderParser
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from alliancewatch.errors import ConfigError, DeliveryDeferredError, DeliveryError, UsageError, WarehouseError
from alliancewatch.model import DeliveryRecord, DeliveryState
from alliancewatch.sanitize import one_line
from alliancewatch.week import LATE_AFTER, Week

if TYPE_CHECKING:
    from alliancewatch.settings import SmtpSettings

DELAYS_S = (1.0, 5.0, 20.0)
"""Waits between the rounds of one run. What a greylisting server wants more patience for is for a later run."""

UNKNOWN_LIMIT = 2
"""Exchanges that may end unknown: the first and one more."""

SUSPENDED_AFTER = 3
"""Digests refused in a row because there is no such mailbox; after that the address is left alone."""

_NO_SUCH_MAILBOX = 550
_MAX_REPLY_BYTES = 64 * 1024
_QUIT_TIMEOUT_S = 5.0
_LINE_END = re.compile(rb"\r\n|\r|\n")
_LEADING_DOT = re.compile(rb"^\.", re.MULTILINE)


class Ledger(Protocol):
    """What has been sent to whom; `Warehouse` is one. Both raise `WarehouseError` when it cannot be used."""

    def delivery_history(self, recipients: Collection[str]) -> Sequence[DeliveryRecord]:
        """The rows of these addresses, of all weeks, in the order written."""

    def append_delivery(self, record: DeliveryRecord) -> None:
        """Adds a row; durable when this returns."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """How the digest's way to one recipient ended in this run."""

    recipient: str
    state: DeliveryState
    detail: str
    attempts: int
    """Exchanges with the mail server in this run; 0 when it was not tried."""


def check_sending(smtp: SmtpSettings, recipients: Sequence[str], week: Week, *, now: datetime, force: bool) -> None:
    """Raises `UsageError` when a digest of `week` cannot or should not be mailed as things are set."""
    if not smtp.host:
        raise UsageError(
            "no mail server is set: `smtp.host`", hint="set ALLIANCEWATCH_SMTP_HOST, or leave out `--send`"
        )
    password = smtp.password.get_secret_value() if smtp.password else ""
    if smtp.user and not password:
        raise ConfigError(
            "`smtp.user` is set without a password",
            path="environment",
            hint="set ALLIANCEWATCH_SMTP_PASSWORD, or ALLIANCEWATCH_SMTP_PASSWORD_FILE to a file that holds it",
        )
    if not (smtp.user or "").isascii() or not password.isascii():
        raise ConfigError("`smtp.user` and password: found other characters, expected ASCII", path="environment")
    if not recipients:
        raise UsageError("nobody to send the digest to", hint="set `recipients` in digest.yaml, or give `--to`")
    if now - week.end > LATE_AFTER and not force:
        raise UsageError(
            f"week is long past: `{week.label}`: it ended {(now - week.end).days} days ago, "
            f"expected {LATE_AFTER.days} at most",
            hint="`--force` sends it all the same",
        )


def deliver_digest(
    message_of: Callable[[str], bytes],
    recipients: Sequence[str],
    smtp: SmtpSettings,
    ledger: Ledger,
    *,
    week: str,
    sender: str,
    run_id: str,
    clock: Callable[[], datetime],
    sleep: Callable[[float], None] = time.sleep,
    delays_s: Sequence[float] = DELAYS_S,
    force: bool = False,
) -> list[Delivery]:
    """Mails the digest of `week` to those of `recipients` who have not had it; returns how each one's way ended.

    `message_of(recipient)` is the whole message in ASCII with CRLF; `recipients` are bare addresses, one each.
    Whoever is not reached now is tried again after each of `delays_s`. What was sent is never sent again, and what a
    server refused for a recipient is final for the week; `force` tries the latter again, and addresses that are
    suspended too. Raises `WarehouseError`, and sends nothing more, when the ledger cannot be written.

    One delivery at a time: to a second one, what the first is about to send looks like the leavings of a killed run.
    """
    mailing = _Mailing(message_of, smtp, ledger, week=week, sender=sender, run_id=run_id, clock=clock)
    try:
        history = ledger.delivery_history(recipients)
        ways = [
            mailing.begin(address, [row for row in history if row.recipient.lower() == address.lower()], force)
            for address in recipients
        ]
        for delay_s in (None, *delays_s):
            waiting = [way for way in ways if way.is_open]
            if not waiting:
                break
            if delay_s is not None:
                sleep(delay_s)
            mailing.round(waiting)
        mailing.close([way for way in ways if way.is_open])
    except WarehouseError as error:
        raise type(error)(f"mail is stopped, its ledger cannot be used: {error.message}", hint=error.hint) from error
    return [Delivery(way.recipient, way.state, way.detail, way.attempts) for way in ways]


def require_delivered(week: str, deliveries: Sequence[Delivery]) -> None:
    """Raises `DeliveryError`, listing whom the digest did not reach; `DeliveryDeferredError` if all were deferred."""
    missed = [delivery for delivery in deliveries if delivery.state is not DeliveryState.SENT]
    if not missed:
        return
    listed = "; ".join(f"{delivery.recipient}: {delivery.state}: {delivery.detail}" for delivery in missed)
    message = f"digest reached {len(deliveries) - len(missed)} of {len(deliveries)}: `{week}`: {listed}"
    if all(delivery.state is DeliveryState.DEFERRED for delivery in deliveries):
        raise DeliveryDeferredError(message, hint="run it again later; nobody gets it twice")
    raise DeliveryError(message)


def send_unrecorded(message: bytes, recipients: Sequence[str], smtp: SmtpSettings, *, sender: str) -> bool:
    """Gives a message that is no digest to each recipient once, without a ledger; whether it reached any of them.

    For mail to the operator, where a second copy does no harm and an outage of the warehouse must not stop it.
    """
    reached = False
    for recipient in recipients:
        exchange = _Exchange(smtp)
        try:
            verdict = exchange.send(sender, recipient, message)
        finally:
            exchange.leave()
        reached |= verdict.state is DeliveryState.SENT
        if verdict.is_shared:
            break
    return reached


def probe_server(smtp: SmtpSettings) -> str | None:
    """What stands in the way of mail, up to the log-in and without sending any; None when nothing does."""
    exchange = _Exchange(smtp)
    try:
        verdict = exchange.reach()
    finally:
        exchange.leave()
    return verdict.detail if verdict else None


class _Stage(StrEnum):
    """How far an exchange has come."""

    CONNECT = "connect"
    TLS = "tls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    END = "end"
    """The whole message was given; its reply is awaited."""


_SHARED_STAGES = frozenset({_Stage.CONNECT, _Stage.TLS, _Stage.AUTH, _Stage.MAIL})
"""What goes wrong here has nothing to do with the recipient."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    """How one exchange ended."""

    state: DeliveryState
    stage: _Stage | None = None
    code: int | None = None
    detail: str = ""

    @property
    def is_shared(self) -> bool:
        """The next recipient would meet with the same."""
        if self.state is DeliveryState.REFUSED:
            return self.stage in _SHARED_STAGES
        return self.state is DeliveryState.DEFERRED and self.stage in _SHARED_STAGES - {_Stage.MAIL}


@dataclass(slots=True)
class _Way:
    """One recipient's way to the digest, in this run."""

    recipient: str
    message: bytes
    message_id: str
    state: DeliveryState = DeliveryState.DEFERRED
    detail: str = ""
    attempts: int = 0
    unknown_count: int = 0
    is_open: bool = True


@dataclass(frozen=True, slots=True)
class _History:
    """What the ledger says of a recipient."""

    sent_at: datetime | None
    refusal: str | None
    """Of this week's digest, for good."""
    unknown_count: int
    is_cut_off: bool
    """The last row is a reservation: the run was killed."""
    weeks_refused: int
    """Digests refused for want of the mailbox since the server last took one for it."""


class _Mailing:
    """One digest on its way to everybody."""

    def __init__(
        self,
        message_of: Callable[[str], bytes],
        smtp: SmtpSettings,
        ledger: Ledger,
        *,
        week: str,
        sender: str,
        run_id: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._message_of = message_of
        self._smtp = smtp
        self._ledger = ledger
        self._week = week
        self._sender = sender
        self._run_id = run_id
        self._clock = clock

    def begin(self, recipient: str, records: Sequence[DeliveryRecord], force: bool) -> _Way:
        """What is to be done for a recipient with these ledger rows."""
        history = _history(records, self._week)
        message = self._message_of(recipient)
        message_id = BytesHeaderParser().parsebytes(message)["Message-ID"]
        way = _Way(recipient, message, message_id, unknown_count=history.unknown_count)
        if history.is_cut_off:
            self._record(way, _Verdict(DeliveryState.UNKNOWN, detail="the run that sent it was killed"))
        if history.sent_at is not None:
            way.state, way.detail = DeliveryState.SENT, f"sent already, at {history.sent_at:%Y-%m-%d %H:%M} UTC"
        elif history.unknown_count >= UNKNOWN_LIMIT:
            way.state = DeliveryState.UNKNOWN
            way.detail = f"tried {history.unknown_count} times and never answered; it may have arrived"
        elif history.refusal is not None and not force:
            way.state = DeliveryState.REFUSED
            way.detail = f"{history.refusal}; not tried again without `--force`"
        elif history.weeks_refused >= SUSPENDED_AFTER and not force:
            way.state = DeliveryState.REFUSED
            way.detail = (
                f"suspended, since the last {history.weeks_refused} digests were refused: no such mailbox; "
                "take it out of the recipients, or try it with `--force`"
            )
        else:
            return way
        way.is_open = False
        return way

    def round(self, ways: Sequence[_Way]) -> None:
        """Tries each once, and stops where the next would meet with the same trouble."""
        for position, way in enumerate(ways):
            verdict = self._try(way)
            if verdict.is_shared:
                for other in ways[position + 1 :]:
                    other.detail = verdict.detail
                    if verdict.state is DeliveryState.REFUSED:
                        self._settle(other, verdict)
                        self._record(other, verdict)
                return

    def close(self, ways: Sequence[_Way]) -> None:
        """Records those that no exchange was begun for."""
        for way in ways:
            if not way.attempts:
                self._record(way, _Verdict(DeliveryState.DEFERRED, detail=way.detail))

    def _try(self, way: _Way) -> _Verdict:
        self._record(way, _Verdict(DeliveryState.RESERVED))
        way.attempts += 1
        exchange = _Exchange(self._smtp)
        try:
            verdict = exchange.send(self._sender, way.recipient, way.message)
            self._record(way, verdict)
        finally:
            exchange.leave()
        self._settle(way, verdict)
        return verdict

    def _settle(self, way: _Way, verdict: _Verdict) -> None:
        way.state, way.detail = verdict.state, verdict.detail
        if verdict.state is DeliveryState.UNKNOWN:
            way.unknown_count += 1
        way.is_open = verdict.state is DeliveryState.DEFERRED or (
            verdict.state is DeliveryState.UNKNOWN and way.unknown_count < UNKNOWN_LIMIT
        )

    def _record(self, way: _Way, verdict: _Verdict) -> None:
        self._ledger.append_delivery(
            DeliveryRecord(
                week=self._week,
                recipient=way.recipient,
                state=verdict.state,
                message_id=way.message_id,
                run_id=self._run_id,
                recorded_at=self._clock(),
                stage=verdict.stage,
                code=verdict.code,
                detail=verdict.detail,
            )
        )


def _history(records: Sequence[DeliveryRecord], week: str) -> _History:
    history = _History(None, None, 0, False, 0)
    weeks_refused: set[str] = set()
    for record in records:
        if record.state is DeliveryState.REFUSED:
            if record.stage == _Stage.RCPT and record.code == _NO_SUCH_MAILBOX:
                weeks_refused.add(record.week)
        elif record.state in (DeliveryState.SENT, DeliveryState.UNKNOWN):
            weeks_refused.clear()
        if record.week == week:
            history = _with(history, record)
    if history.is_cut_off:
        history = replace(history, unknown_count=history.unknown_count + 1)
    return replace(history, weeks_refused=len(weeks_refused))


def _with(history: _History, record: DeliveryRecord) -> _History:
    match record.state:
        case DeliveryState.RESERVED:
            return replace(history, refusal=None, is_cut_off=True)
        case DeliveryState.SENT:
            return replace(history, sent_at=record.recorded_at, is_cut_off=False)
        case DeliveryState.UNKNOWN:
            return replace(history, unknown_count=history.unknown_count + 1, is_cut_off=False)
        case DeliveryState.REFUSED if record.stage not in _SHARED_STAGES:
            return replace(history, refusal=record.detail, is_cut_off=False)
        case _:
            return replace(history, is_cut_off=False)


class _Exchange:
    """One connection, for one message to one recipient."""

    def __init__(self, smtp: SmtpSettings) -> None:
        self._smtp = smtp
        self._session: _Session | None = None
        self._stage = _Stage.CONNECT

    def send(self, sender: str, recipient: str, message: bytes) -> _Verdict:
        """Gives the message to the server; how that ended, whatever the server does."""
        verdict = self._guarded(lambda: self._verdict(*self._talk(sender, recipient, message)))
        assert verdict is not None
        return verdict

    def reach(self) -> _Verdict | None:
        """Connects and logs in; what went wrong."""
        return self._guarded(self._begin)

    def _guarded(self, talk: Callable[[], _Verdict | None]) -> _Verdict | None:
        try:
            return talk()
        except smtplib.SMTPResponseException as error:
            return self._verdict(error.smtp_code, error.smtp_error)
        except (smtplib.SMTPServerDisconnected, ssl.SSLEOFError):
            return self._lost("the server closed the connection")
        except TimeoutError:
            return self._lost(f"no answer within {self._smtp.timeout_s:g} s")
        except ssl.SSLError as error:
            reason = getattr(error, "verify_message", "") or error.reason or str(error)
            return self._ended(DeliveryState.REFUSED, f"no safe connection: {reason}")
        except smtplib.SMTPException as error:
            return self._ended(DeliveryState.REFUSED, str(error))
        except OSError as error:
            return self._lost(error.strerror or str(error))

    def leave(self) -> None:
        """Says goodbye, without caring for the answer."""
        if self._session is not None:
            self._session.timeout = min(self._session.timeout, _QUIT_TIMEOUT_S)
            with suppress(OSError):
                self._session.quit()
            self._session.close()

    def _talk(self, sender: str, recipient: str, message: bytes) -> tuple[int, bytes]:
        """The last reply, which is the one that ended it."""
        self._begin()
        session = self._session
        assert session is not None
        self._stage = _Stage.MAIL
        options = [f"size={len(message)}"] if session.has_extn("size") else []
        code, reply = session.mail(sender, options)
        if code // 100 != 2:
            return code, reply
        self._stage = _Stage.RCPT
        code, reply = session.rcpt(recipient)
        if code // 100 != 2:
            return code, reply
        self._stage = _Stage.DATA
        code, reply = session.docmd("DATA")
        if code != 354:
            return code, reply
        # Bytes that the system did not take cannot have reached the server, so the message has no end there.
        session.send(_as_sent(message) + b".\r\n")
        self._stage = _Stage.END
        return session.getreply()

    def _begin(self) -> None:
        """Connects, encrypts and logs in."""
        smtp = self._smtp
        assert smtp.host is not None
        session: _Session
        if smtp.begins_with_tls:
            session = _TlsSession(
                smtp.host,
                smtp.port,
                local_hostname=_own_name(),
                timeout=smtp.timeout_s,
                context=ssl.create_default_context(),
            )
        else:
            session = _Session(smtp.host, smtp.port, local_hostname=_own_name(), timeout=smtp.timeout_s)
        self._session = session
        session.ehlo_or_helo_if_needed()
        if smtp.starttls and not smtp.begins_with_tls:
            self._stage = _Stage.TLS
            session.starttls(context=ssl.create_default_context())
            session.ehlo_or_helo_if_needed()
        if smtp.user and smtp.password:
            self._stage = _Stage.AUTH
            session.login(smtp.user, smtp.password.get_secret_value())

    def _verdict(self, code: int, reply: bytes | str) -> _Verdict:
        text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
        if code // 100 == 4:
            state = DeliveryState.DEFERRED
        elif code // 100 == 5:
            state = DeliveryState.REFUSED
        elif self._stage is _Stage.END:
            state = DeliveryState.SENT if code // 100 == 2 else DeliveryState.UNKNOWN
        else:
            state = DeliveryState.DEFERRED
        if code < 0:
            return self._ended(state, f"not an SMTP reply: {text[:60]!r}")
        return replace(self._ended(state, f"{code} {text}"), code=code)

    def _lost(self, detail: str) -> _Verdict:
        is_unclear = self._stage is _Stage.END
        return self._ended(DeliveryState.UNKNOWN if is_unclear else DeliveryState.DEFERRED, detail)

    def _ended(self, state: DeliveryState, detail: str) -> _Verdict:
        detail = one_line(without_secrets(detail, self._smtp))
        if state is not DeliveryState.SENT:
            detail = f"{detail} ({_WHEN[self._stage]})"
        return _Verdict(state, self._stage, None, detail)


_WHEN = {
    _Stage.CONNECT: "when connecting",
    _Stage.TLS: "at STARTTLS",
    _Stage.AUTH: "at log-in",
    _Stage.MAIL: "on naming the sender",
    _Stage.RCPT: "on naming the recipient",
    _Stage.DATA: "before the end of the message",
    _Stage.END: "after the message",
}


class _Session(smtplib.SMTP):
    """smtplib's client with a limit on the whole of each reply: smtplib's own starts anew with every byte."""

    def getreply(self) -> tuple[int, bytes]:
        """Code and text of the next reply; code -1 for what is none."""
        assert self.sock is not None
        ends_at = time.monotonic() + self.timeout
        try:
            texts: list[bytes] = []
            size = 0
            while size < _MAX_REPLY_BYTES:
                line = self._read_line(ends_at)
                size += len(line)
                if not line[:3].isdigit() or line[3:4] not in (b" ", b"-", b"\r", b"\n"):
                    return -1, line
                texts.append(line[4:].strip())
                if line[3:4] != b"-":
                    return int(line[:3]), b"\n".join(texts)
            return -1, b"a reply without end"
        except OSError:
            self.close()
            raise
        finally:
            if self.sock is not None:
                self.sock.settimeout(self.timeout)

    def _read_line(self, ends_at: float) -> bytes:
        assert self.sock is not None
        line = b""
        # Byte by byte: what follows the reply to STARTTLS in the clear must not be read as if it came encrypted.
        while not line.endswith(b"\n") and len(line) < _MAX_REPLY_BYTES:
            left_s = ends_at - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            self.sock.settimeout(left_s)
            byte = self.sock.recv(1)
            if not byte:
                raise smtplib.SMTPServerDisconnected
            line += byte
        return line


class _TlsSession(_Session, smtplib.SMTP_SSL):
    """The same over a connection that is encrypted from its first byte."""


def _own_name() -> str:
    """The name to greet with; smtplib would look it up, which can take long where no name server answers."""
    name = platform.node()
    return name if "." in name and name.isascii() else "[127.0.0.1]"


def _as_sent(message: bytes) -> bytes:
    """The message with CRLF only, leading dots doubled (RFC 5321 4.5.2), and a line end at its end."""
    content = _LEADING_DOT.sub(b"..", _LINE_END.sub(b"\r\n", message))
    return content if content.endswith(b"\r\n") else content + b"\r\n"


def without_secrets(text: str, smtp: SmtpSettings) -> str:
    """The text without the password, also as AUTH PLAIN and LOGIN write it: servers do echo what they were sent."""
    password = smtp.password.get_secret_value() if smtp.password else ""
    if not password:
        return text
    plain = f"\0{smtp.user or ''}\0{password}"
    for secret in (base64.b64encode(plain.encode()), base64.b64encode(password.encode())):
        text = text.replace(secret.decode(), "***")
    return text.replace(password, "***")
