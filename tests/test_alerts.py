"""The operator is told by mail: once a failure, once that it is over, and of sources that fell silent."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from faulty_smtp import FaultySmtp, Moment, Reply
from homes import home_of, ingest_at

from alliancewatch.alerts import source_alarms, tell_failure, tell_sources, tell_success, told
from alliancewatch.errors import ConfigError, RunInProgressError, UsageError, WarehouseError
from alliancewatch.newsstand import Newsstand
from alliancewatch.settings import Config, load_config

NOW = datetime(2026, 11, 20, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)
FULL = WarehouseError("disk is full: 1,234 bytes free", hint="make room")


def config_of(home: Path, port: int, **environment: str) -> Config:
    home.mkdir(exist_ok=True)
    environment = {
        "ALLIANCEWATCH_SMTP_HOST": "127.0.0.1",
        "ALLIANCEWATCH_SMTP_PORT": str(port),
        "ALLIANCEWATCH_SMTP_STARTTLS": "false",
        "ALLIANCEWATCH_SMTP_TIMEOUT_S": "2",
        "ALLIANCEWATCH_ALERTS_RECIPIENTS": "op@example.org, second@example.org",
        **environment,
    }
    return load_config(environment, cwd=home, home=home)


def mails(server: FaultySmtp) -> list[tuple[str, str, str]]:
    """(to, subject without the machine's name, body) of each."""
    found = []
    for recipient, content in server.taken:
        message = message_from_bytes(content, policy=default)
        assert content.isascii()
        body = message.get_body()
        assert body is not None
        text = body.get_content().replace("\r\n", "\n")
        found.append((recipient, str(message["Subject"]).partition(": ")[2], text))
    return found


def test_a_failure_is_told_once_and_so_is_its_end(tmp_path: Path) -> None:
    with FaultySmtp() as server:
        config = config_of(tmp_path, server.port)
        assert tell_failure(config, "ingest", FULL, now=NOW)
        for hour in range(1, 24):
            same = WarehouseError(f"disk is full: {hour} bytes free", hint="make room")
            assert not tell_failure(config, "ingest", same, now=NOW + hour * HOUR)
        assert tell_failure(config, "ingest", FULL, now=NOW + 24 * HOUR)
        assert tell_success(config, "ingest", now=NOW + 25 * HOUR)
        assert not tell_success(config, "ingest", now=NOW + 26 * HOUR)
        came = mails(server)
    assert [(to, subject) for to, subject, _ in came] == [
        (to, subject)
        for subject in ("ingest failed", "ingest failed", "ingest works again")
        for to in ("op@example.org", "second@example.org")
    ]
    assert "disk is full: 1,234 bytes free\nhint: make room" in came[0][2]
    assert f"ALLIANCEWATCH_HOME={tmp_path} alliancewatch ingest --no-prefect" in came[0][2]
    assert "2026-11-20 03:00 UTC, 25 times" in came[4][2]


def test_a_message_that_always_differs_is_no_storm(tmp_path: Path) -> None:
    with FaultySmtp() as server:
        config = config_of(tmp_path, server.port)
        sent = [tell_failure(config, "ingest", f"trouble {'x' * number}", now=NOW) for number in range(30)]
    assert sum(sent) == 5


def test_one_that_keeps_others_out_is_told_when_it_lasts(tmp_path: Path) -> None:
    busy = RunInProgressError("another ingest run is in progress")
    with FaultySmtp() as server:
        config = config_of(tmp_path, server.port)
        sent = [tell_failure(config, "ingest", busy, now=NOW + hour * HOUR) for hour in range(8)]
    assert sent == [False] * 6 + [True, False]


def test_what_could_not_be_mailed_is_told_the_next_time(tmp_path: Path) -> None:
    def down(moment: Moment) -> Reply | None:
        return Reply("421 later", close=True) if moment.stage == "connect" and moment.count == 1 else None

    with FaultySmtp(down) as server:
        config = config_of(tmp_path, server.port)
        assert not tell_failure(config, "ingest", FULL, now=NOW)
        assert tell_failure(config, "ingest", FULL, now=NOW + HOUR)


@pytest.mark.parametrize("content", [b"", b"{", b'{"troubles": 1}', b"\xff\x00"])
def test_a_broken_record_of_what_was_told_stops_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "alerts.json").write_bytes(content)
    with FaultySmtp() as server:
        assert tell_failure(config_of(tmp_path, server.port), "ingest", FULL, now=NOW)
    assert "ingest" in json.loads((tmp_path / "alerts.json").read_text("utf-8"))["troubles"]


def test_nobody_to_tell_and_nobody_listening_are_no_second_failure(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert not tell_failure(config_of(tmp_path, closed.getsockname()[1]), "ingest", FULL, now=NOW)
    alone = load_config({}, cwd=tmp_path, home=tmp_path / "alone")
    assert not tell_failure(alone, "ingest", FULL, now=NOW)
    assert not (tmp_path / "alone").exists()


def test_no_secret_and_no_long_trace_is_mailed(tmp_path: Path) -> None:
    with FaultySmtp() as server:
        config = config_of(tmp_path, server.port, ALLIANCEWATCH_SMTP_PASSWORD="hunter2")
        try:
            raise ValueError("http://user:topsecret@example.org/ said hunter2\x1b[31m")
        except ValueError as error:
            tell_failure(config, "ingest", error, now=NOW)
        body = mails(server)[0][2]
    assert "topsecret" not in body
    assert "hunter2" not in body
    assert "\x1b" not in body
    assert "unexpected ValueError" in body
    assert body.count("  at ") == 1


def test_a_plain_run_tells_too_but_not_of_a_mistyped_command(tmp_path: Path) -> None:
    with FaultySmtp() as server:
        config = config_of(tmp_path, server.port)

        def fail(error: Exception) -> None:
            with pytest.raises(type(error)), told(config, "ingest", lambda: NOW):
                raise error

        fail(UsageError("unknown source: `x`"))
        assert not server.taken
        fail(ConfigError("no such key", path="sources.yaml", line=3))
        assert len(server.taken) == 2
        with told(config, "ingest", lambda: NOW):
            pass
        assert [subject for _, subject, _ in mails(server)][2:] == ["ingest works again"] * 2


def test_a_source_that_falls_silent_or_halves_is_told_once_a_week(tmp_path: Path) -> None:
    """Six weeks of the newsstand; then one outlet is looked at no longer."""
    with Newsstand(at=NOW) as newsstand, FaultySmtp() as server:
        config = home_of(newsstand, tmp_path / "home")
        (config.home / "config" / "settings.yaml").write_text(
            (config.home / "config" / "settings.yaml").read_text("utf-8")
            + f"smtp: {{host: 127.0.0.1, port: {server.port}, starttls: false}}\n"
            + "alerts: {recipients: [op@example.org]}\n",
            "utf-8",
        )
        config = load_config({}, cwd=config.home, home=config.home)
        first, second = sorted(newsstand.addresses)[:2]
        began = NOW - timedelta(days=42)
        for day in range(0, 36, 6):
            ingest_at(config, newsstand, began + timedelta(days=day), first, second)
        ingest_at(config, newsstand, NOW, first)
        alarms = source_alarms(config, now=NOW)
        assert any(line.startswith(f"{second}: silent for ") for line in alarms), alarms
        assert not any(line.startswith(f"{first}: silent") for line in alarms)
        assert tell_sources(config, now=NOW) == alarms
        assert tell_sources(config, now=NOW) == alarms
        assert [subject for _, subject, _ in mails(server)] == ["sources fell silent"]
        assert source_alarms(config, now=began + timedelta(days=1)) == []
