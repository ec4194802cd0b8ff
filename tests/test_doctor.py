"""`doctor` on homes that are well, stale, broken or not there: what it finds, and that it changes nothing."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from faulty_smtp import FaultySmtp, Moment, Reply
from homes import home_of, ingest_at

from alliancewatch.doctor import Finding, Health, examine
from alliancewatch.lease import hold_lease
from alliancewatch.maintenance import maintain
from alliancewatch.model import DeliveryRecord, DeliveryState
from alliancewatch.newsstand import Newsstand
from alliancewatch.resources import resource
from alliancewatch.runs import interpreter_of, new_run, open_warehouse
from alliancewatch.settings import Config, load_config
from alliancewatch.week import Week

NOW = Week(2026, 45).start + timedelta(days=3, hours=3)
LATER = NOW + timedelta(minutes=30)
OK, WARN, FAIL = Health.OK, Health.WARN, Health.FAIL


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that one run has filled, with a backup that was restored on trial."""
    home = tmp_path_factory.mktemp("doctor") / "home"
    with Newsstand(at=NOW) as newsstand:
        config = home_of(newsstand, home)
        ingest_at(config, newsstand, NOW)
    for step in maintain(config, now=NOW):
        assert step.state != "failed", step
    return home


@pytest.fixture
def home(watched: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(watched, tmp_path / "home"))


def config_of(home: Path, **stated: str) -> Config:
    return load_config({f"ALLIANCEWATCH_{name}": value for name, value in stated.items()}, cwd=home, home=home)


def findings(config: Config, *, now: datetime = LATER) -> dict[str, list[Finding]]:
    by_check: dict[str, list[Finding]] = {}
    for finding in examine(config, now=now):
        by_check.setdefault(finding.check, []).append(finding)
    return by_check


def health_of(found: dict[str, list[Finding]]) -> dict[str, Health]:
    return {
        check: max(lines, key=lambda line: list(Health).index(line.health)).health for check, lines in found.items()
    }


def tree(home: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in home.rglob("*")}


def test_a_home_that_is_well_and_nothing_is_changed(home: Path) -> None:
    before = tree(home)
    found = findings(config_of(home, FETCH_CONTACT="desk@example.org"))
    assert tree(home) == before
    health = health_of(found)
    assert {check for check, worst in health.items() if worst is FAIL} == set()
    assert {"program", "home", "config", "clock", "warehouse", "snapshot", "ingest", "archive", "drill"} <= {
        check for check, worst in health.items() if worst is OK
    }
    assert "contact" not in found
    assert any("kanto-signal: never answered" in line.found for line in found["source"])
    assert all(line.mend for lines in found.values() for line in lines if line.health is not OK)


def truncate(home: Path) -> None:
    path = home / "warehouse" / "alliancewatch.duckdb"
    path.write_bytes(path.read_bytes()[:10_000])


def overwrite(home: Path) -> None:
    (home / "warehouse" / "alliancewatch.duckdb").write_bytes(b"nothing a warehouse begins with")


def lose(home: Path) -> None:
    (home / "warehouse" / "alliancewatch.duckdb").unlink()


def misspell(home: Path) -> None:
    (home / "config" / "settings.yaml").write_text("fetch:\n  contcat: x\n", "utf-8")


def break_digest(home: Path) -> None:
    (home / "config" / "digest.yaml").write_text("recipients: [nobody]\n", "utf-8")


def break_yaml(home: Path) -> None:
    (home / "config" / "sources.yaml").write_text("sources: [\n", "utf-8")


def damage_archive(home: Path) -> None:
    path = max((home / "archive").rglob("*.warc.gz"), key=lambda path: path.stat().st_size)
    content = bytearray(path.read_bytes())
    content[-2000:-100] = bytes(1900)
    path.write_bytes(content)


def damage_manifest(home: Path) -> None:
    next((home / "backups").glob("*/manifest.json")).write_text("{}", "utf-8")


@pytest.mark.parametrize(
    ("damage", "check", "says"),
    [
        (truncate, "warehouse", "warehouse is damaged"),
        (overwrite, "warehouse", "warehouse is damaged"),
        (lose, "warehouse", "there is none, though its snapshot is there"),
        (misspell, "config", "settings.yaml:2: unknown key `contcat`"),
        (break_digest, "config", "digest.yaml:1"),
        (break_yaml, "config", "sources.yaml:"),
        (damage_archive, "archive", "archive file is damaged"),
        (damage_manifest, "backup", "backup is damaged"),
    ],
)
def test_what_is_broken_is_named_with_what_mends_it(
    home: Path, damage: Callable[[Path], None], check: str, says: str
) -> None:
    damage(home)
    before = tree(home)
    found = findings(config_of(home))
    assert tree(home) == before
    failed = [line for line in found[check] if line.health is FAIL]
    assert failed
    assert says in failed[0].found
    assert not any("cannot be examined" in line.found for lines in found.values() for line in lines)


def test_what_is_stale_is_named(home: Path) -> None:
    config = config_of(home)
    late = NOW + timedelta(days=9)
    found = findings(config, now=late)
    health = health_of(found)
    assert (health["ingest"], health["digest"], health["backup"]) == (WARN, WARN, WARN)
    assert any("nothing new for" in line.found for line in found["source"])
    assert health_of(findings(config, now=NOW - timedelta(days=30)))["clock"] is FAIL
    assert health_of(findings(config, now=datetime(1970, 1, 1, tzinfo=UTC)))["clock"] is FAIL


def test_what_a_killed_run_left_is_named(home: Path) -> None:
    config = config_of(home)
    warehouse = open_warehouse(config)
    run = new_run("ingest", interpreter_of(config).versions, LATER)
    warehouse.begin_run(run, configs={}, sources=[], recorded_at=LATER)
    for state in (DeliveryState.RESERVED, DeliveryState.REFUSED):
        warehouse.append_delivery(
            DeliveryRecord(
                week="2026-W44", recipient="a@x.example", state=state, message_id="<1@x>", run_id="r", recorded_at=LATER
            )
        )
    with hold_lease(home, "ingest"):
        found = findings(config)
    assert "began and never ended" in found["killed runs"][0].found
    assert found["running"][0].found == f"ingest: process {os.getpid()}"
    assert found["snapshot"][0].health is WARN
    assert found["delivery"][0].found == "refused: a@x.example (2026-W44)"


def test_rules_that_are_not_the_programs_are_named(home: Path) -> None:
    text = resource("config", "boilerplate.yaml").read_text("utf-8")
    (home / "config" / "boilerplate.yaml").write_text(text, "utf-8")
    assert "rules" not in findings(config_of(home))
    (home / "config" / "boilerplate.yaml").write_text(f"{text}# ours\n", "utf-8")
    assert findings(config_of(home))["rules"][0].found == "boilerplate.yaml of this home: not the program's"


def test_the_mail_server_is_asked_and_sent_nothing(home: Path) -> None:
    def refuse(moment: Moment) -> Reply | None:
        return Reply("535 wrong password") if moment.stage == "auth" else None

    for script, expected in ((lambda _moment: None, OK), (refuse, FAIL)):
        with FaultySmtp(script, extensions=("AUTH PLAIN",)) as server:
            stated = {"PORT": str(server.port), "HOST": "127.0.0.1", "STARTTLS": "false", "USER": "desk"}
            stated |= {"PASSWORD": "canary-42"}
            found = findings(config_of(home, **{f"SMTP_{name}": value for name, value in stated.items()}))
        assert found["mail server"][0].health is expected
        assert (server.taken, server.recipients) == ([], [])
        assert "canary-42" not in str(found)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    gone = findings(config_of(home, SMTP_HOST="127.0.0.1", SMTP_PORT=str(port)))
    assert gone["mail server"][0].health is FAIL


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ALLIANCEWATCH_", "PREFECT_"))}
    return subprocess.run(
        [sys.executable, "-c", "from alliancewatch.cli import main; main()", "doctor", *arguments],
        env={**kept, "ALLIANCEWATCH_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_ends_with_one_when_something_is_to_be_mended(home: Path, tmp_path: Path) -> None:
    lines = run(home, "--offline")
    assert (lines.returncode, lines.stderr) == (0, "")
    assert lines.stdout.splitlines()[-1].endswith("0 to mend")
    misspell(home)
    answer = run(home, "--offline", "--json")
    assert answer.returncode == 1
    document = json.loads(answer.stdout)
    assert (document["health"], document["home"]) == ("fail", str(home))
    assert {line["health"] for line in document["findings"]} == {"ok", "warn", "fail"}
    (tmp_path / "file").write_text("", "utf-8")
    for place in (tmp_path / "nothing", tmp_path / "file"):
        nowhere = run(place, "--offline")
        assert nowhere.returncode == 1
        assert "Traceback" not in nowhere.stderr
    assert not (tmp_path / "nothing").exists()
