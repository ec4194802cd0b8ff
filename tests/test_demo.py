"""`demo` as a user runs it: the real flows under Prefect, on the newsstand, in a process of its own; and the docs."""

from __future__ import annotations

import email
import email.policy
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_cli import PROGRAM, ask, run

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[bytes]]:
    folder = tmp_path_factory.mktemp("demo")
    # What the caller has set for another home must not count: none of it could work.
    foreign = {
        "ALLIANCEWATCH_SMTP_HOST": "mail.example",
        "ALLIANCEWATCH_FETCH_DEADLINE_S": "soon",
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
    }
    return folder / "home", run("demo", "--keep", folder / "home", home=folder, stdin=b"", HOME=str(folder), **foreign)


def test_it_ends_well_and_says_where_things_are(demo: tuple[Path, subprocess.CompletedProcess[bytes]]) -> None:
    home, done = demo
    assert done.returncode == 0, done.stderr.decode()
    named = [Path(path) for path in re.findall(r"(/\S+\.(?:html|txt|json|eml|duckdb))", done.stdout.decode())]
    assert len(named) == 5
    messages = sorted((home / "mailbox").iterdir())
    assert [path.name for path in messages] == [f"{number}.eml" for number in range(1, 7)]
    last = email.message_from_bytes(messages[-1].read_bytes(), policy=email.policy.default)
    assert last["To"] == "desk@embassy.example"
    assert "2026-W47" in last["Subject"]
    assert ask(home, "select distinct state from deliveries") == [{"state": "sent"}]
    assert all(path.stat().st_size > 1000 for path in named)
    assert {path.name for path in home.iterdir()} == {
        "config",
        "archive",
        "mailbox",
        "delivery.lease",
        "warehouse",
        "digests",
        ".prefect",
        "ingest.lease",
        "import.lease",
        "digest.lease",
    }
    assert not (home.parent / ".prefect").exists(), "Prefect's state stays in the home"


def test_the_digest_shows_the_week(demo: tuple[Path, subprocess.CompletedProcess[bytes]]) -> None:
    home, _ = demo
    digest = json.loads((home / "digests" / "2026-W46" / "digest.json").read_text("utf-8"))
    assert digest["counts"]["shown"] > 15
    assert len(digest["sections"]) > 8
    message = email.message_from_bytes(
        (home / "digests" / "2026-W46" / "digest.eml").read_bytes(), policy=email.policy.default
    )
    assert "2026-W46" in message["Subject"]
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    text = (home / "digests" / "2026-W46" / "digest.txt").read_text("utf-8")
    assert "teaser" in text
    assert "Kanto Signal" in text


def test_the_runs_add_up_and_the_warehouse_is_sound(demo: tuple[Path, subprocess.CompletedProcess[bytes]]) -> None:
    from alliancewatch.runs import open_warehouse
    from alliancewatch.settings import load_config

    home, _ = demo
    assert ask(home, "select status, count(*) as n from runs where kind = 'ingest' group by all") == [
        {"status": "done", "n": 6}
    ]
    assert open_warehouse(load_config({}, cwd=home, home=home)).run_checks() == []
    assert ask(home, "select count(*) as n from revisions where revision = 2")[0]["n"] >= 2


def test_a_digest_without_prefect_is_the_same_to_the_byte(
    demo: tuple[Path, subprocess.CompletedProcess[bytes]], tmp_path: Path
) -> None:
    home, _ = demo
    assert run("digest", "--week", "2026-W45", "--out", tmp_path, home=home, PYTHONHASHSEED="7").returncode == 0
    for name in ("digest.html", "digest.txt", "digest.json", "digest.eml"):
        assert (tmp_path / name).read_bytes() == (home / "digests" / "2026-W45" / name).read_bytes(), name


def test_a_flow_is_a_plain_script(demo: tuple[Path, subprocess.CompletedProcess[bytes]]) -> None:
    """The newsstand is gone by now: each source fails, each is named, and the script says so with its exit code."""
    home, _ = demo
    done = subprocess.run(
        [sys.executable, ROOT / "flows" / "ingest.py"],
        env={**os.environ, "ALLIANCEWATCH_HOME": str(home), "PREFECT_HOME": str(home / ".prefect")},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stderr.decode()
    assert ask(home, "select count(distinct source_id) as n from polls where outcome = 'retry'")[0]["n"] == 11


def test_the_server_that_prefect_starts_can_be_imported() -> None:
    """Prefect 3.8 dies in every flow when a later fastapi comes in; the pins keep it out."""
    subprocess.run(
        [sys.executable, "-c", "import prefect.server.api.server"], check=True, capture_output=True, timeout=120
    )


def recipes() -> list[str]:
    return re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "sql.md").read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize("recipe", recipes(), ids=lambda recipe: recipe.split("\n")[0][:40])
def test_each_sql_recipe_of_the_docs_runs(demo: tuple[Path, subprocess.CompletedProcess[bytes]], recipe: str) -> None:
    home, _ = demo
    done = run("sql", recipe, "--format", "json", home=home)
    assert done.returncode == 0, done.stderr.decode()
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    assert rows or "came" in recipe, "a recipe that shows nothing on the demo teaches nothing"


def test_each_column_of_the_docs_is_there(demo: tuple[Path, subprocess.CompletedProcess[bytes]]) -> None:
    home, _ = demo
    table = re.findall(
        r"^\| `(\w+)` \| [^|]+ \| `([^`]+)` \|$", (ROOT / "docs" / "sql.md").read_text("utf-8"), re.MULTILINE
    )
    views = {
        path.stem
        for path in (ROOT / "warehouse" / "views").glob("*.sql")
        if f"VIEW {path.stem} AS" in path.read_text("utf-8")
    }
    assert {view for view, _ in table} == views
    for view, columns in table:
        assert run("sql", f"select {columns} from {view} limit 0", home=home).returncode == 0, view


def test_each_command_in_the_docs_is_a_command() -> None:
    text = "\n".join(path.read_text("utf-8") for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))])
    named = {name for name in re.findall(r"alliancewatch ([a-z]+)\b", text) if name not in ("demo",)}
    overview = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, check=True).stdout
    assert {name for name in named if f"  {name} " not in overview} == set()


def test_each_setting_stands_in_the_packaged_file() -> None:
    from alliancewatch.settings import Settings

    text = (ROOT / "config" / "settings.yaml").read_text("utf-8")
    for section, field in Settings.model_fields.items():
        keys = getattr(field.annotation, "model_fields", {})
        for key in keys:
            if key not in ("password", "user_agent"):
                assert re.search(rf"^  {key}:", text, re.MULTILINE), f"{section}.{key}"


def test_each_link_of_the_docs_leads_somewhere() -> None:
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text("utf-8")):
            assert (path.parent / target).exists(), f"{path.name}: {target}"
