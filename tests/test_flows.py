"""The flows: what Prefect's server checks before a run exists, and the same run without Prefect."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from faulty_smtp import FaultySmtp
from homes import home_of

from alliancewatch.newsstand import Newsstand
from alliancewatch.week import parse_week

ROOT = Path(__file__).parents[1]
PROGRAM = Path(sys.executable).with_name("alliancewatch")

CASES: list[tuple[str, dict[str, Any], bool]] = [
    ("ingest", {"sources": ["sankei"], "since": "2026-11-16T07:00:00+09:00"}, True),
    ("ingest", {"since": "2026-11-16T07:00:00.5Z", "now": None, "ack": True, "home": "/srv/aw"}, True),
    ("ingest", {"since": "yesterday"}, False),
    ("ingest", {"since": "2026-11-16"}, False),
    ("ingest", {"sources": "sankei"}, False),
    ("ingest", {"sources": ["No Such"]}, False),
    ("ingest", {"ack": "perhaps"}, False),
    ("ingest", {"home": ""}, False),
    ("weekly_digest", {"week": "2026-W46", "send": True, "to": ["a@example.org"]}, True),
    ("weekly_digest", {"week": "2026-46"}, False),
    ("weekly_digest", {"week": "2026-W99"}, False),
    ("weekly_digest", {"to": ["nobody"]}, False),
    ("weekly_digest", {"as_of": "now"}, False),
]


def test_the_server_can_refuse_each_bad_parameter(tmp_path: Path) -> None:
    """With the check that Prefect's server makes, in a process of its own: the flows set up Prefect's environment."""
    program = """
import json, sys
sys.path.insert(0, sys.argv[1])
from ingest import ingest
from weekly_digest import weekly_digest
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools import validate
flows = {"ingest": ingest, "weekly_digest": weekly_digest}
schemas = {name: parameter_schema(flow).model_dump_for_openapi() for name, flow in flows.items()}
answers = []
for name, parameters, _ in json.load(sys.stdin):
    try:
        answers.append(not validate(parameters, schemas[name], raise_on_error=False))
    except Exception as error:
        answers.append(repr(error))
print(json.dumps(answers))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(ROOT / "flows")],
        input=json.dumps(CASES),
        capture_output=True,
        text=True,
        env={**os.environ, "ALLIANCEWATCH_HOME": str(tmp_path)},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [ok for _, _, ok in CASES]


def command(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ALLIANCEWATCH_", "PREFECT_"))}
    return subprocess.run(
        [PROGRAM, *arguments],
        capture_output=True,
        text=True,
        cwd=home,
        env={**kept, "ALLIANCEWATCH_HOME": str(home), **environment},
        timeout=120,
        check=False,
    )


def test_ingest_without_prefect_does_the_same_and_tells_of_a_failure(tmp_path: Path) -> None:
    with Newsstand(at=parse_week("2026-W46").end) as newsstand, FaultySmtp() as server:
        home = home_of(newsstand, tmp_path / "home").home
        mail = {
            "ALLIANCEWATCH_SMTP_HOST": "127.0.0.1",
            "ALLIANCEWATCH_SMTP_PORT": str(server.port),
            "ALLIANCEWATCH_SMTP_STARTTLS": "false",
            "ALLIANCEWATCH_ALERTS_RECIPIENTS": "op@example.org",
        }
        source_id = sorted(newsstand.addresses)[0]
        arguments = ("ingest", "--no-prefect", "--ack", "--source", source_id)
        done = command(home, *arguments)
        assert done.returncode in (0, 1), done.stderr
        assert "ACK " in done.stdout
        assert not (home / ".prefect").exists()
        kept = (home / "warehouse" / "alliancewatch.duckdb").read_bytes()
        (home / "warehouse" / "alliancewatch.duckdb").write_bytes(b"nothing a warehouse begins with")
        broken = command(home, *arguments, **mail)
        assert broken.returncode == 1
        assert "Traceback" not in broken.stderr
        command(home, *arguments, **mail)
        (home / "warehouse" / "alliancewatch.duckdb").write_bytes(kept)
        command(home, *arguments, **mail)
        subjects = [line for _, content in server.taken for line in content.decode().splitlines() if "Subject:" in line]
    assert [subject.partition(": ingest ")[2] for subject in subjects] == ["failed", "works again"]


SCHEDULED = """
import sys
sys.path.insert(0, sys.argv[1])
from ingest import ingest
from prefect import tags
with tags("catch-up"):
    state = ingest(return_state=True)
print(state.name)
"""


def test_a_scheduled_run_that_no_source_answered_is_told(tmp_path: Path) -> None:
    with Newsstand(at=parse_week("2026-W46").end) as newsstand:
        home = home_of(newsstand, tmp_path / "home").home
    with FaultySmtp() as server:
        environment = {
            "ALLIANCEWATCH_HOME": str(home),
            "ALLIANCEWATCH_SMTP_HOST": "127.0.0.1",
            "ALLIANCEWATCH_SMTP_PORT": str(server.port),
            "ALLIANCEWATCH_SMTP_STARTTLS": "false",
            "ALLIANCEWATCH_ALERTS_RECIPIENTS": "op@example.org",
        }
        done = subprocess.run(
            [sys.executable, "-c", SCHEDULED, ROOT / "flows"],
            capture_output=True,
            text=True,
            env=os.environ | environment,
            timeout=120,
            check=False,
        )
        ((_, message),) = server.taken
    assert done.stdout.splitlines()[-1] == "Failed"
    assert "no source answered: `2026" in message.decode().replace("=\r\n", "")


@pytest.mark.parametrize("how", ["command", "script"])
def test_where_prefect_cannot_work_the_way_without_it_is_named(tmp_path: Path, how: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        environment = {
            "PREFECT_API_URL": f"http://127.0.0.1:{closed.getsockname()[1]}/api",
            "PREFECT_CLIENT_MAX_RETRIES": "0",
        }
        if how == "command":
            done = command(tmp_path, "ingest", **environment)
        else:
            done = subprocess.run(
                [sys.executable, ROOT / "flows" / "ingest.py"],
                capture_output=True,
                text=True,
                env={**os.environ, "ALLIANCEWATCH_HOME": str(tmp_path), **environment},
                timeout=120,
                check=False,
            )
    assert done.returncode == 1
    assert "--no-prefect" in done.stderr
    assert "Traceback" not in done.stderr, done.stderr
