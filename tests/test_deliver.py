"""Mail through servers that misbehave: what arrived, what the ledger says, and that nothing arrives twice."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from digest_rows import VERSIONS, WEEK, read_week
from faulty_smtp import FaultySmtp, Moment, Reply, Script
from pydantic import SecretStr

from alliancewatch.deliver import Delivery, check_sending, deliver_digest, require_delivered
from alliancewatch.digest import DigestSettings, build_digest, render_eml
from alliancewatch.digest_run import DigestRun
from alliancewatch.errors import DeliveryDeferredError, DeliveryError, UsageError, WarehouseError
from alliancewatch.lease import hold_lease
from alliancewatch.model import DeliveryRecord, DeliveryState
from alliancewatch.runs import import_pages
from alliancewatch.settings import Config, SmtpSettings, load_config
from alliancewatch.warehouse import Warehouse

PAGES = Path(__file__).parent / "pages"
NOW = datetime(2026, 11, 23, 1, tzinfo=UTC)
SETTINGS = DigestSettings()
A, B, C = "a@one.example", "b@two.example", "c@three.example"
SENT, REFUSED, DEFERRED, UNKNOWN, RESERVED = (
    DeliveryState.SENT,
    DeliveryState.REFUSED,
    DeliveryState.DEFERRED,
    DeliveryState.UNKNOWN,
    DeliveryState.RESERVED,
)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    warehouse = Warehouse(tmp_path_factory.mktemp("empty") / "alliancewatch.duckdb")
    warehouse.ensure()
    return warehouse.path


@pytest.fixture
def warehouse(empty: Path, tmp_path: Path) -> Warehouse:
    return Warehouse(Path(shutil.copy(empty, tmp_path)), wait_s=5)


def message_of(recipient: str) -> bytes:
    rows, covered, topics = read_week()
    return render_eml(build_digest(WEEK, WEEK.cut, rows, covered, topics, SETTINGS, VERSIONS), SETTINGS, recipient)


MESSAGES = {address: message_of(address) for address in (A, B, C)}


def smtp(server: FaultySmtp, **changes: object) -> SmtpSettings:
    values = {"host": "127.0.0.1", "port": server.port, "timeout_s": 1.0, "starttls": False}
    return SmtpSettings.model_validate(values | changes)


def deliver(
    settings: SmtpSettings,
    warehouse: Warehouse,
    *recipients: str,
    week: str = "2026-W47",
    force: bool = False,
    slept: list[float] | None = None,
    delays_s: Sequence[float] = (1, 5, 20),
) -> list[Delivery]:
    return deliver_digest(
        MESSAGES.__getitem__,
        recipients or (A, B),
        settings,
        warehouse,
        week=week,
        sender=SETTINGS.sender_address,
        run_id="run-1",
        clock=lambda: NOW,
        sleep=(slept if slept is not None else []).append,
        delays_s=delays_s,
        force=force,
    )


def rows(warehouse: Warehouse, recipient: str) -> list[DeliveryState]:
    return [record.state for record in warehouse.delivery_history([recipient])]


def states(deliveries: Sequence[Delivery]) -> list[DeliveryState]:
    return [delivery.state for delivery in deliveries]


def at(stage: str, reply: Reply, *, times: int = 99, recipient: str | None = None) -> Script:
    """That reply at that stage, the first so many times."""

    def script(moment: Moment) -> Reply | None:
        wanted = moment.stage == stage and moment.count <= times and recipient in (None, moment.recipient)
        return reply if wanted else None

    return script


def test_each_recipient_gets_one_message_of_their_own_and_never_again(warehouse: Warehouse) -> None:
    with FaultySmtp(extensions=("SIZE 999999",)) as server:
        assert states(deliver(smtp(server), warehouse)) == [SENT, SENT]
        again = deliver(smtp(server), warehouse, A, B)
    assert [(d.state, d.attempts) for d in again] == [(SENT, 0), (SENT, 0)]
    assert server.taken == [(A, MESSAGES[A]), (B, MESSAGES[B])]
    assert B.encode() not in MESSAGES[A]
    assert f"mail FROM:<{SETTINGS.sender_address}> size={len(MESSAGES[A])}" in server.commands
    assert rows(warehouse, A) == rows(warehouse, B) == [RESERVED, SENT]
    history = warehouse.delivery_history([A.upper()])
    assert {record.message_id for record in history} == {message_from_bytes(MESSAGES[A])["Message-ID"]}
    assert warehouse.run_checks() == []


def test_lines_that_begin_with_a_dot_arrive_as_they_were(warehouse: Warehouse) -> None:
    with FaultySmtp() as server:
        deliver_digest(
            lambda _: b"Message-ID: <1@x>\n\n.hidden\r\n..\r.\nend",
            [A],
            smtp(server),
            warehouse,
            week="2026-W47",
            sender="s@x.example",
            run_id="r",
            clock=lambda: NOW,
        )
    assert server.taken == [(A, b"Message-ID: <1@x>\r\n\r\n.hidden\r\n..\r\n.\r\nend\r\n")]


@pytest.mark.parametrize(
    ("stage", "text"),
    [("rcpt", "550 5.1.1 no such mailbox"), ("rcpt", "553 bad name"), ("data", "554 no"), ("end", "552 too big"),
     ("end", "554 5.7.1 refused as spam")],
)  # fmt: skip
def test_one_refusal_is_the_others_gain(warehouse: Warehouse, stage: str, text: str) -> None:
    with FaultySmtp(at(stage, Reply(text), recipient=B)) as server:
        deliveries = deliver(smtp(server), warehouse, A, B, C)
        again = deliver(smtp(server), warehouse, A, B, C)
        assert server.connections == 3
    assert states(deliveries) == states(again) == [SENT, REFUSED, SENT]
    assert [address for address, _ in server.taken] == [A, C]
    assert rows(warehouse, B) == [RESERVED, REFUSED]
    (_, record) = warehouse.delivery_history([B])
    assert (record.stage, record.code) == (stage, int(text[:3]))
    assert record.detail.startswith(text)
    with pytest.raises(DeliveryError, match=rf"reached 2 of 3: `2026-W47`: {B}: refused: {text[:3]}") as caught:
        require_delivered("2026-W47", deliveries)
    assert caught.value.exit_code == 1


def test_three_digests_refused_in_a_row_suspend_an_address_until_forced(warehouse: Warehouse) -> None:
    with FaultySmtp(at("rcpt", Reply("550 no such mailbox"), times=3)) as server:
        for week in ("2026-W44", "2026-W45", "2026-W46"):
            assert states(deliver(smtp(server), warehouse, B, week=week)) == [REFUSED]
        (suspended,) = deliver(smtp(server), warehouse, B)
        assert (suspended.state, suspended.attempts, len(server.recipients)) == (REFUSED, 0, 3)
        assert "suspended" in suspended.detail
        assert "--force" in suspended.detail
        assert states(deliver(smtp(server), warehouse, B, force=True)) == [SENT]
        assert states(deliver(smtp(server), warehouse, B, week="2026-W48")) == [SENT]
    assert len(server.taken) == 2


@pytest.mark.parametrize(
    ("stage", "text"),
    [
        ("connect", "421 too many"),
        ("ehlo", "421 closing"),
        ("mail", "451 busy"),
        ("rcpt", "451 greylisted"),
        ("rcpt", "421 closing"),
        ("data", "452 no room"),
        ("end", "451 busy"),
    ],
)
def test_a_passing_refusal_is_tried_again(warehouse: Warehouse, stage: str, text: str) -> None:
    slept: list[float] = []
    script = at(stage, Reply(text, close=stage in ("connect", "ehlo")), times=1 if stage != "ehlo" else 2)
    with FaultySmtp(script) as server:
        deliveries = deliver(smtp(server), warehouse, A, B, slept=slept)
    assert states(deliveries) == [SENT, SENT]
    assert len(server.taken_by(A)) == len(server.taken_by(B)) == 1
    assert slept
    assert slept == [1, 5][: len(slept)]


def test_a_server_that_never_has_time_is_left_for_later(warehouse: Warehouse) -> None:
    slept: list[float] = []
    with FaultySmtp(at("rcpt", Reply("451 busy"))) as server:
        deliveries = deliver(smtp(server), warehouse, slept=slept)
    assert states(deliveries) == [DEFERRED, DEFERRED]
    assert (slept, server.connections, server.taken) == ([1, 5, 20], 8, [])
    assert rows(warehouse, A) == [RESERVED, DEFERRED] * 4
    with pytest.raises(DeliveryDeferredError) as caught:
        require_delivered("2026-W47", deliveries)
    assert caught.value.exit_code == 75
    with FaultySmtp() as server:
        assert states(deliver(smtp(server), warehouse)) == [SENT, SENT]


def test_nobody_listening_is_asked_four_times_for_all(warehouse: Warehouse) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = SmtpSettings(host="127.0.0.1", port=port, starttls=False)
    deliveries = deliver(settings, warehouse)
    assert states(deliveries) == [DEFERRED, DEFERRED]
    assert all("refused" in delivery.detail for delivery in deliveries)
    assert rows(warehouse, A) == [RESERVED, DEFERRED] * 4
    assert rows(warehouse, B) == [DEFERRED]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(wait_s=0.6, close=True),
        Reply("SSH-2.0-OpenSSH_9.6"),
        Reply("x" * 100_000, close=True),
        Reply("220-" + "\r\n220-" * 20_000),
        Reply("\x00\xff", close=True),
    ],
)
def test_a_late_or_strange_banner_is_tried_again_within_the_time(warehouse: Warehouse, reply: Reply) -> None:
    began = time.monotonic()
    with FaultySmtp(at("connect", reply, times=1)) as server:
        assert states(deliver(smtp(server, timeout_s=0.4), warehouse, A)) == [SENT]
    assert time.monotonic() - began < 4
    assert len(server.taken) == 1
    assert rows(warehouse, A) == [RESERVED, DEFERRED, RESERVED, SENT]


def test_a_reply_that_trickles_does_not_hold_us(warehouse: Warehouse) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        program = (
            "import socket, sys, time\ns = socket.socket(fileno=int(sys.argv[1]))\nwhile True:\n c, _ = s.accept()\n"
            " try:\n  while True: c.sendall(b'2'); time.sleep(.1)\n except OSError: pass\n"
        )
        number = listener.fileno()
        with subprocess.Popen([sys.executable, "-c", program, str(number)], pass_fds=[number]) as process:
            settings = SmtpSettings(host="127.0.0.1", port=listener.getsockname()[1], starttls=False, timeout_s=0.5)
            began = time.monotonic()
            (delivery,) = deliver(settings, warehouse, A, delays_s=(0,))
            assert time.monotonic() - began < 3
            process.kill()
    assert (delivery.state, delivery.detail) == (DEFERRED, "no answer within 0.5 s (when connecting)")


@pytest.mark.parametrize("takes", [True, False])
@pytest.mark.parametrize("reply", [Reply(close=True), Reply(wait_s=0.6, close=True), Reply("what?", close=True)])
def test_silence_after_the_message_is_unknown_and_tried_once_more(
    warehouse: Warehouse, reply: Reply, takes: bool
) -> None:
    silent = Reply(reply.text, reply.close, reply.wait_s, takes=takes)
    with FaultySmtp(at("end", silent, times=1)) as server:
        assert states(deliver(smtp(server, timeout_s=0.4), warehouse, A)) == [SENT]
    assert rows(warehouse, A) == [RESERVED, UNKNOWN, RESERVED, SENT]
    assert server.taken_by(A) == [MESSAGES[A]] * (2 if takes else 1)


def test_what_stays_unknown_is_never_tried_a_third_time(warehouse: Warehouse) -> None:
    with FaultySmtp(at("end", Reply(close=True, takes=True))) as server:
        first = deliver(smtp(server), warehouse, A)
        again = deliver(smtp(server), warehouse, A, force=True)
    assert states(first) == states(again) == [UNKNOWN]
    assert server.taken_by(A) == [MESSAGES[A]] * 2
    with pytest.raises(DeliveryError, match="never answered") as caught:
        require_delivered("2026-W47", again)
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("stage", ["content", "quit", "data"])
def test_a_connection_lost_in_the_message_or_at_the_goodbye_costs_nothing(warehouse: Warehouse, stage: str) -> None:
    with FaultySmtp(at(stage, Reply(close=True), times=1)) as server:
        assert states(deliver(smtp(server), warehouse, A)) == [SENT]
    assert server.taken == [(A, MESSAGES[A])]


@pytest.mark.parametrize(
    ("stage", "text"), [("auth", "535 5.7.8 wrong password"), ("mail", "553 sender unknown"), ("connect", "554 no")]
)
def test_what_is_not_the_recipients_fault_ends_the_run_and_not_the_week(
    warehouse: Warehouse, stage: str, text: str
) -> None:
    settings = {"user": "desk", "password": "canary-42"} if stage == "auth" else {}
    slept: list[float] = []
    with FaultySmtp(at(stage, Reply(text)), extensions=("AUTH PLAIN",)) as server:
        deliveries = deliver(smtp(server, **settings), warehouse, slept=slept)
        assert (server.connections, slept, server.taken) == (1, [], [])
    assert states(deliveries) == [REFUSED, REFUSED]
    assert all(delivery.detail.startswith(text) for delivery in deliveries)
    assert rows(warehouse, A) == [RESERVED, REFUSED]
    assert rows(warehouse, B) == [REFUSED]
    with FaultySmtp(extensions=("AUTH PLAIN",)) as server:
        assert states(deliver(smtp(server, **settings), warehouse)) == [SENT, SENT]


def test_a_password_that_the_server_echoes_is_shown_nowhere(warehouse: Warehouse) -> None:
    def echo(moment: Moment) -> Reply | None:
        said = server.commands[-1].split(" ")[-1] if server.commands else ""
        return Reply(f"535 no: canary-42 {said}") if moment.stage == "auth" else None

    with FaultySmtp(echo, extensions=("AUTH PLAIN LOGIN",)) as server:
        (delivery,) = deliver(smtp(server, user="desk", password="canary-42"), warehouse, A)
    said = [line.split(" ")[2] for line in server.commands if line.startswith("AUTH PLAIN")]
    assert said
    shown = f"{delivery} {warehouse.delivery_history([A])}"
    assert "canary-42" not in shown
    assert said[0] not in shown
    assert "***" in shown


@pytest.fixture
def tls(monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's context; its own certificate, for 127.0.0.1 alone, is the one root that clients trust."""
    certificate = Path(__file__).parent / "tls" / "loopback.pem"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    return context


def test_mail_goes_over_tls_and_so_does_the_password(warehouse: Warehouse, tls: ssl.SSLContext) -> None:
    with FaultySmtp(tls=tls, extensions=("AUTH LOGIN",)) as server:
        settings = smtp(server, starttls=True, user="desk", password="canary-42")
        assert states(deliver(settings, warehouse)) == [SENT, SENT]
    assert server.encrypted == [True, True]
    assert server.commands.index("STARTTLS") < next(n for n, c in enumerate(server.commands) if c.startswith("AUTH"))


def test_without_starttls_on_offer_nothing_is_sent_in_the_clear(warehouse: Warehouse) -> None:
    with FaultySmtp() as server:
        deliveries = deliver(smtp(server, starttls=True), warehouse)
    assert states(deliveries) == [REFUSED, REFUSED]
    assert "STARTTLS" in deliveries[0].detail
    assert (server.connections, server.taken, server.recipients) == (1, [], [])


def test_a_certificate_nobody_vouches_for_is_refused(
    warehouse: Warehouse, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with FaultySmtp(tls=tls) as server:
        deliveries = deliver(smtp(server, starttls=True), warehouse)
    assert states(deliveries) == [REFUSED, REFUSED]
    assert deliveries[0].detail == "no safe connection: self-signed certificate (at STARTTLS)"
    assert server.recipients == []


def test_mail_goes_over_tls_from_the_first_byte(warehouse: Warehouse, tls: ssl.SSLContext) -> None:
    with FaultySmtp(tls=tls, implicit_tls=True, extensions=("AUTH LOGIN",)) as server:
        settings = smtp(server, starttls=True, implicit_tls=True, user="desk", password="canary-42")
        assert states(deliver(settings, warehouse)) == [SENT, SENT]
    assert server.encrypted == [True, True]
    assert "STARTTLS" not in server.commands


def test_a_server_that_answers_in_the_clear_is_not_spoken_to_over_tls(warehouse: Warehouse) -> None:
    with FaultySmtp() as server:
        deliveries = deliver(smtp(server, implicit_tls=True), warehouse)
    assert states(deliveries) == [REFUSED, REFUSED]
    assert deliveries[0].detail.startswith("no safe connection: ")
    assert (server.taken, server.recipients) == ([], [])


@pytest.mark.parametrize(
    ("stated", "begins_with_tls"),
    [({}, False), ({"port": 465}, True), ({"port": 465, "implicit_tls": False}, False), ({"implicit_tls": True}, True)],
)
def test_port_465_is_spoken_to_over_tls(stated: dict[str, object], begins_with_tls: bool) -> None:
    assert SmtpSettings.model_validate(stated).begins_with_tls is begins_with_tls


def test_a_ledger_that_cannot_be_written_stops_the_mail(warehouse: Warehouse) -> None:
    with FaultySmtp() as server:
        holder = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(flush=True); sys.stdin.read()"
        with subprocess.Popen(
            [sys.executable, "-c", holder, str(warehouse.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            with pytest.raises(WarehouseError, match="mail is stopped"):
                deliver(smtp(server), Warehouse(warehouse.path, wait_s=0.2))
        warehouse.path.write_bytes(b"not a database" * 1000)
        with pytest.raises(WarehouseError, match="mail is stopped"):
            deliver(smtp(server), Warehouse(warehouse.path, wait_s=0.2))
    assert server.connections == 0


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root can mount a small disk")
@pytest.mark.parametrize("disk", ["full", "read-only"])
def test_a_disk_that_takes_nothing_more_stops_the_mail(warehouse: Warehouse, tmp_path: Path, disk: str) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(small)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk here: {mounted.stderr.strip()}")
    try:
        ledger = Warehouse(Path(shutil.copy(warehouse.path, small)), wait_s=1)
        if disk == "full":
            with (small / "filling").open("wb", buffering=0) as filling, suppress(OSError):
                while filling.write(bytes(4096)) == 4096:
                    pass
        else:
            subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
        with FaultySmtp() as server:
            with pytest.raises(WarehouseError, match="mail is stopped"):
                deliver(smtp(server), ledger)
            assert (server.connections, server.taken) == (0, [])
            if disk == "full":
                (small / "filling").unlink()
            else:
                subprocess.run(["mount", "-o", "remount,rw", str(small)], check=True)
            assert states(deliver(smtp(server), ledger)) == [SENT, SENT]
        assert rows(ledger, A) == [RESERVED, SENT]
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


class _LosesTheEnd:
    """A ledger whose disk fills up once the first message is out."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self.delivery_history = warehouse.delivery_history

    def append_delivery(self, record: DeliveryRecord) -> None:
        if record.state is SENT:
            raise WarehouseError("disk is full")
        self._warehouse.append_delivery(record)


def test_a_sent_row_that_cannot_be_written_costs_at_most_one_copy(warehouse: Warehouse) -> None:
    with FaultySmtp() as server:
        for _ in range(4):
            with pytest.raises(WarehouseError, match="mail is stopped, its ledger cannot be used: disk is full"):
                deliver_digest(
                    MESSAGES.__getitem__,
                    [A],
                    smtp(server),
                    _LosesTheEnd(warehouse),
                    week="2026-W47",
                    sender=SETTINGS.sender_address,
                    run_id="run-1",
                    clock=lambda: NOW,
                )
            if len(server.taken) == 2:
                break
        assert states(deliver(smtp(server), warehouse, A)) == [UNKNOWN]
    assert server.taken_by(A) == [MESSAGES[A]] * 2


SENDER = """\
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
import test_deliver
from alliancewatch.settings import SmtpSettings
from alliancewatch.warehouse import Warehouse
settings = SmtpSettings(host="127.0.0.1", port=int(sys.argv[2]), starttls=False, timeout_s=20)
test_deliver.deliver(settings, Warehouse(Path(sys.argv[1])), test_deliver.A, test_deliver.B)
"""


@pytest.mark.parametrize(("stage", "copies"), [("data", 1), ("end", 2), ("quit", 1)])
def test_a_killed_delivery_is_taken_up_again(warehouse: Warehouse, stage: str, copies: int) -> None:
    with FaultySmtp(lambda moment: _kill(moment)) as server:
        process = subprocess.Popen(
            [sys.executable, "-c", SENDER, str(warehouse.path), str(server.port), str(Path(__file__).parent)]
        )

        def _kill(moment: Moment) -> Reply | None:
            if (moment.stage, moment.recipient, moment.count) == (stage, A, 1):
                # At the goodbye the sent row is written already, and its process is killed before it hears back.
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
                return Reply(close=True, takes=True)
            return None

        assert process.wait(20) == -signal.SIGKILL
        assert states(deliver(smtp(server), warehouse, A, B)) == [SENT, SENT]
        assert states(deliver(smtp(server), warehouse, A, B)) == [SENT, SENT]
    assert server.taken_by(A) == [MESSAGES[A]] * copies
    assert server.taken_by(B) == [MESSAGES[B]]
    killed = [RESERVED, SENT] if stage == "quit" else [RESERVED, UNKNOWN, RESERVED, SENT]
    assert rows(warehouse, A) == killed


@pytest.mark.parametrize(
    ("changes", "recipients", "days", "says"),
    [
        ({"host": None}, (A,), 1, "no mail server is set"),
        ({"user": "desk"}, (A,), 1, "without a password"),
        ({"user": "desk", "password": SecretStr("pässword")}, (A,), 1, "expected ASCII"),
        ({}, (), 1, "nobody to send"),
        ({}, (A,), 11, "long past: `2026-W47`: it ended 11 days ago"),
    ],
)
def test_what_cannot_be_mailed_is_said_first(
    changes: dict[str, object], recipients: tuple[str, ...], days: int, says: str
) -> None:
    settings = SmtpSettings.model_validate({"host": "mail.example"} | changes)
    now = WEEK.end + timedelta(days=days, hours=1)
    with pytest.raises(UsageError, match=says) as caught:
        check_sending(settings, recipients, WEEK, now=now, force=False)
    assert "pässword" not in str(caught.value)


def test_a_week_long_past_goes_out_when_forced() -> None:
    settings = SmtpSettings(host="mail.example")
    check_sending(settings, (A,), WEEK, now=WEEK.end + timedelta(days=400), force=True)
    check_sending(settings, (A,), WEEK, now=WEEK.end + timedelta(days=10), force=False)


def test_the_command_mails_once_and_lists_whom_it_did_not_reach(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "ALLIANCEWATCH_HOME": str(tmp_path)}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from alliancewatch.cli import main; main()", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert run("import", str(Path(__file__).parent / "pages" / "full-en.html")).returncode == 0
    unset = run("digest", "--send", "--to", A)
    assert (unset.returncode, unset.stdout) == (2, "")
    assert unset.stderr.startswith("error: no mail server is set")
    with FaultySmtp(at("rcpt", Reply("550 no such mailbox"), recipient=B), extensions=("AUTH PLAIN",)) as server:
        environment |= {
            "ALLIANCEWATCH_SMTP_HOST": "127.0.0.1",
            "ALLIANCEWATCH_SMTP_PORT": str(server.port),
            "ALLIANCEWATCH_SMTP_STARTTLS": "false",
            "ALLIANCEWATCH_SMTP_USER": "desk",
            "ALLIANCEWATCH_SMTP_PASSWORD": "canary-42",
        }
        with hold_lease(tmp_path, "delivery"):
            assert run("digest", "--send", "--to", A).returncode == 75
        assert server.connections == 0
        sent = run("digest", "--send", "--to", A, "--to", B, "--to", A.upper(), "--json")
        again = run("digest", "--send", "--to", A)
    assert [address for address, _ in server.taken] == [A]
    assert (sent.returncode, again.returncode) == (1, 0)
    assert [(d["recipient"], d["state"]) for d in json.loads(sent.stdout)["deliveries"]] == [(A, SENT), (B, REFUSED)]
    assert f"reached 1 of 2: `{json.loads(sent.stdout)['week']}`: {B}: refused: 550 no such mailbox" in sent.stderr
    assert f"sent: {A}: sent already" in again.stderr
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"canary-42" not in kept
    assert "canary-42" not in sent.stdout + sent.stderr


@pytest.fixture
def mailing_home(tmp_path: Path) -> Path:
    """A home with one article, whose digest goes to A."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "digest.yaml").write_text(f"recipients: [{A}]\n", "utf-8")
    list(import_pages(home_config(tmp_path), [PAGES / "full-en.html"], clock=lambda: NOW))
    return tmp_path


def home_config(home: Path, **stated: str) -> Config:
    return load_config({f"ALLIANCEWATCH_SMTP_{name}": value for name, value in stated.items()}, cwd=home, home=home)


@pytest.mark.parametrize("to", [(), (A.upper(), B)])
def test_recipients_are_not_sent_a_week_that_goes_on(mailing_home: Path, to: tuple[str, ...]) -> None:
    config = home_config(mailing_home, HOST="mail.example")
    run = DigestRun(config, now=NOW, week="2026-W48")
    with pytest.raises(UsageError, match="week is not over: `2026-W48`: it ends at 2026-11-29T15:00"):
        run.recipients(to)
    assert len(run.recipients(to, force=True)) == (len(to) or 1)
    assert run.recipients([B]) == (B,)
    assert DigestRun(config, now=NOW, week="2026-W47").recipients() == (A,)


def test_what_was_mailed_is_listed_though_the_snapshot_cannot_be_written(mailing_home: Path) -> None:
    snapshot = home_config(mailing_home).snapshot_path

    def obstruct(moment: Moment) -> Reply | None:
        if moment.stage == "quit":
            snapshot.unlink()
            (snapshot / "in-the-way").mkdir(parents=True)
        return None

    with FaultySmtp(obstruct) as server:
        command = [sys.executable, "-c", "from alliancewatch.cli import main; main()", "digest", "--send", "--json"]
        environment = {
            "PATH": os.environ["PATH"],
            "ALLIANCEWATCH_HOME": str(mailing_home),
            "ALLIANCEWATCH_SMTP_HOST": "127.0.0.1",
            "ALLIANCEWATCH_SMTP_PORT": str(server.port),
            "ALLIANCEWATCH_SMTP_STARTTLS": "false",
        }
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert [address for address, _ in server.taken] == [A]
    assert [entry["state"] for entry in json.loads(done.stdout)["deliveries"]] == [SENT]
    assert done.returncode == 1
    assert "error: cannot" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_real_server_takes_the_message_and_a_mail_program_reads_it(warehouse: Warehouse) -> None:
    controller = pytest.importorskip("aiosmtpd.controller")
    handlers = pytest.importorskip("aiosmtpd.handlers")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    taken: list[tuple[list[str], bytes]] = []

    class Keep(handlers.Sink):  # type: ignore[name-defined, misc]
        async def handle_DATA(self, server: object, session: object, envelope: object) -> str:  # noqa: N802
            taken.append((envelope.rcpt_tos, envelope.original_content))  # type: ignore[attr-defined]
            return "250 taken"

    running = controller.Controller(Keep(), hostname="127.0.0.1", port=port, enable_SMTPUTF8=False)
    running.start()
    try:
        settings = SmtpSettings(host="127.0.0.1", port=port, starttls=False)
        assert states(deliver(settings, warehouse)) == [SENT, SENT]
    finally:
        running.stop()
    assert taken == [([A], MESSAGES[A]), ([B], MESSAGES[B])]
    message = message_from_bytes(taken[0][1], policy=policy.default)
    assert (message["To"], message["From"].addresses[0].addr_spec) == (A, SETTINGS.sender_address)
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert not message.defects
