"""The archive of raw pages: files warcio reads back, killed writers, old pages under new rules, retention."""

from __future__ import annotations

import gzip
import io
import json
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner
from warcio.archiveiterator import ArchiveIterator
from warcio.checker import Checker
from warehouse_values import FEED, NOW, VERSIONS, capture, run, source

from alliancewatch.archive import Archive, RecordPlace
from alliancewatch.cli import app
from alliancewatch.errors import ArchiveError, ArchiveGoneError, RunInProgressError, UsageError
from alliancewatch.lease import hold_lease
from alliancewatch.model import Candidate, CandidateOutcome, Capture, LostCapture, Outcome
from alliancewatch.reclean import Change, Lost, reclean
from alliancewatch.resources import resource
from alliancewatch.runs import import_pages, interpreter_of, open_warehouse
from alliancewatch.settings import Config, load_config
from alliancewatch.warehouse import Warehouse

PAGE = """<!doctype html><html lang="en"><head><title>{title}</title>
<link rel="canonical" href="https://bay-ledger.example/{slug}">
<meta property="og:type" content="article">
<meta property="article:published_time" content="2026-11-17T09:00:00+09:00"></head>
<body><article><h1>{title}</h1>
<p>The defence ministers of Japan and the United States met in Tokyo on Tuesday and agreed to hold
the next round of talks on {title} before the end of the year, officials of both governments said.</p>
<p>{second}</p>
<p>The two sides also discussed the cost of stationing forces in Okinawa and a timetable for the
relocation of the air station, which local leaders have opposed for many years.</p>
</article></body></html>"""
HARBOUR = "Harbour desk notes are sent on the second Sunday."


def page(slug: str, second: str = HARBOUR) -> str:
    return PAGE.format(slug=slug, title=f"Joint exercise {slug}", second=second)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_config({}, cwd=tmp_path, home=tmp_path / "home")


def import_all(config: Config, folder: Path, pages: dict[str, str], at: datetime = NOW) -> list[Outcome]:
    folder.mkdir(parents=True, exist_ok=True)
    for slug, text in pages.items():
        (folder / f"{slug}.html").write_text(text, "utf-8")
    files = [folder / f"{slug}.html" for slug in pages]
    return [item.result.outcome for item in import_pages(config, files, clock=lambda: at)]


def warc_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.warc.gz"))


def is_sound(path: Path) -> bool:
    """What `warcio check` says: every record's digest is that of its bytes."""
    checker = Checker(type("Options", (), {"verbose": False, "inputs": [str(path)]}))
    checker.process_all()
    return bool(checker.exit_value == 0)


def with_new_rules(config: Config) -> Config:
    """The home with rules of its own, which cut the harbour line too."""
    shipped = resource("config", "boilerplate.yaml").read_text("utf-8")
    rule = "rules:\n  - {name: harbour, kind: SUBSCRIBE, phrases: [^harbour desk notes are sent]}\n"
    target = config.home / "config" / "boilerplate.yaml"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(shipped.replace("\nrules:\n", f"\n{rule}", 1), "utf-8")
    return load_config({}, cwd=config.home, home=config.home)


def test_warcio_reads_back_every_record_as_it_was_received(tmp_path: Path) -> None:
    headers = (
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Encoding", "gzip"),
        ("Transfer-Encoding", "chunked"),
        ("X-Title", "日米\r\nInjected: yes"),
    )
    kept = [
        capture(1, "<p>日本</p>".encode(), headers=headers, final_url="https://bay-ledger.example/日 本?q=1"),
        capture(2, b"", status=299),
        capture(3, b"{}", status=None, content_type="application/vnd.alliancewatch.item+json", headers=()),
    ]
    places = Archive(tmp_path / "archive").append("run-1", kept, at=NOW)
    (path,) = warc_files(tmp_path)
    assert path.relative_to(tmp_path).as_posix() == "archive/2026/11/run-1-00001.warc.gz"
    assert is_sound(path)
    with path.open("rb") as stream:
        info, first, second, item = (
            (record.rec_type, record.rec_headers, record.http_headers, record.content_stream().read())
            for record in ArchiveIterator(stream)
        )
    assert info[0] == "warcinfo"
    assert first[0] == "response"
    assert first[1].protocol == "WARC/1.1"
    assert first[1].get_header("WARC-Target-URI") == "https://bay-ledger.example/%E6%97%A5%20%E6%9C%AC?q=1"
    assert first[1].get_header("WARC-Date") == "2026-11-18T03:00:00.000000Z"
    assert first[1].get_header("WARC-Payload-Digest").startswith("sha1:")
    assert first[2].get_statuscode() == "200"
    assert first[2].get_header("Content-Encoding") is None
    assert first[2].get_header("X-Archive-Orig-Content-Encoding") == "gzip"
    assert first[2].get_header("Content-Length") == str(len(kept[0].body))
    assert first[2].get_header("Injected") is None
    assert first[3] == kept[0].body
    assert (second[2].get_statuscode(), second[3]) == ("299", b"")
    assert (item[0], item[2], item[3]) == ("resource", None, b"{}")
    for place, one in zip(places, kept, strict=True):
        with path.open("rb") as stream:
            stream.seek(place.offset)
            assert gzip.GzipFile(fileobj=io.BytesIO(stream.read(place.length))).read().startswith(b"WARC/1.1\r\n")
        assert Archive(tmp_path / "archive").read(place, body_sha256=one.body_sha256) == one.body


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    bodies=st.lists(st.one_of(st.binary(max_size=300), st.sampled_from([b"HTTP/1.1 200 OK\r\n\r\n", b"\r\n\r\n"]))),
    text=st.text(max_size=40),
)
def test_any_body_comes_back_whatever_its_headers_say(tmp_path: Path, bodies: list[bytes], text: str) -> None:
    archive = Archive(tmp_path / "archive")
    kept = [
        capture(
            number, body, url=text or "x", final_url=text, content_type=text, headers=(("X-Any", text), (text, "v"))
        )
        for number, body in enumerate(bodies)
    ]
    kept += [capture(100 + number, body, status=None, content_type=text) for number, body in enumerate(bodies)]
    places = archive.append("run-1", kept, at=NOW)
    for place, one in zip(places, kept, strict=True):
        assert archive.read(place, body_sha256=one.body_sha256) == one.body


def test_bodies_lie_in_the_archive_and_old_ones_still_read(config: Config) -> None:
    old, new = capture(1, b"<p>Old</p>"), capture(2, b"<p>New</p>")
    before = Warehouse(config.warehouse_path)
    before.begin_run(run(), configs={}, sources=[source()], recorded_at=NOW)
    before.append_captures("run-1", [old], recorded_at=NOW)
    warehouse = open_warehouse(config)
    assert warehouse.append_captures("run-1", [old, new, new], recorded_at=NOW) == 1
    assert warehouse.append_captures("run-1", [new], recorded_at=NOW) == 0
    assert len(warc_files(config.archive_path)) == 1
    assert warehouse.pending_captures() == sorted([old, new], key=lambda kept: kept.capture_id)
    assert warehouse.read_capture(new.capture_id) == new
    answer = json.loads(warehouse.run_sql("SELECT url, warc_file FROM captures ORDER BY url", "json").output)
    assert [row["warc_file"] is None for row in answer] == [True, False]


def test_damage_and_absence_quarantine_that_capture_alone(config: Config) -> None:
    warehouse = open_warehouse(config)
    warehouse.begin_run(run(), configs={}, sources=[source()], recorded_at=NOW)
    fine, damaged, gone = (capture(number, page(str(number)).encode()) for number in range(3))
    for kept in (fine, damaged, gone):
        warehouse.append_captures("run-1", [kept], recorded_at=NOW)
    first, second, third = warc_files(config.archive_path)
    assert first.name < second.name < third.name
    content = bytearray(second.read_bytes())
    content[-60] ^= 0xFF
    second.write_bytes(content)
    third.unlink()
    interpreter = interpreter_of(config)
    back = {kept.url: kept for kept in warehouse.pending_captures()}
    assert back[fine.url] == fine
    for kept, path in ((damaged, second), (gone, third)):
        lost = back[kept.url]
        assert isinstance(lost, LostCapture)
        assert lost.capture_id == kept.capture_id
        result = interpreter.interpret(lost)
        assert isinstance(result, CandidateOutcome)
        assert result.outcome is Outcome.QUARANTINED
        assert str(path) in result.reason
        assert " at " in result.reason
        warehouse.append_results("run-1", [result], versions=VERSIONS, recorded_at=NOW)
    assert warehouse.pending_captures() == [fine]


def test_errors_name_file_and_offset(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    kept = [capture(1), capture(2, b"<p>Other</p>")]
    first, second = archive.append("run-1", kept, at=NOW)
    path = tmp_path / first.file
    with pytest.raises(ArchiveError, match=f"{path.name}` at {second.offset}: .*sha256 differs"):
        archive.read(second, body_sha256=kept[0].body_sha256)
    with pytest.raises(ArchiveError, match=f"{path.name}` at {first.offset + 1}: "):
        archive.read(RecordPlace(first.file, first.offset + 1, first.length), body_sha256=kept[0].body_sha256)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ArchiveError, match="bytes are left of"):
        archive.read(second, body_sha256=kept[1].body_sha256)
    path.unlink()
    with pytest.raises(ArchiveGoneError, match="archive file is gone"):
        archive.read(first, body_sha256=kept[0].body_sha256)


def test_a_lost_warehouse_is_built_again_from_the_archive(config: Config, tmp_path: Path) -> None:
    warehouse = open_warehouse(config)
    warehouse.begin_run(run(), configs={}, sources=[source()], recorded_at=NOW)
    headers = (("Content-Type", "text/html; charset=utf-8"), ("Content-Encoding", "gzip"))
    kept = capture(1, page("1").encode(), headers=headers, fetched_at=NOW - timedelta(days=3))
    warehouse.append_captures("run-1", [kept], recorded_at=NOW)
    second = load_config({}, cwd=tmp_path, home=tmp_path / "second")
    (item,) = import_pages(second, warc_files(config.archive_path), clock=lambda: NOW)
    assert item.result.outcome is Outcome.STORED
    (row,) = articles(second)
    assert row["url"] == kept.url
    assert datetime.fromisoformat(row["first_seen_at"]) == kept.fetched_at


def test_an_archive_that_cannot_be_written_stores_nothing(config: Config) -> None:
    config.home.mkdir()
    config.archive_path.write_text("in the way")
    warehouse = open_warehouse(config)
    with pytest.raises(ArchiveError, match="archive cannot be written"):
        warehouse.append_captures("run-1", [capture()], recorded_at=NOW)
    assert warehouse.pending_captures() == []


WRITER = """
import os, sys
from pathlib import Path
from alliancewatch.archive import Archive
from alliancewatch.warehouse import Warehouse
from warehouse_values import *
home = Path(sys.argv[1])
warehouse = Warehouse(home / "warehouse" / "alliancewatch.duckdb", archive=Archive(home / "archive"))
first = int(sys.argv[2])
for number in range(first, first + 10_000, 5):
    kept = [capture(item, os.urandom(60_000)) for item in range(number, number + 5)]
    warehouse.append_captures(f"run-{first}", kept, recorded_at=NOW)
    print("ACK", *(item.capture_id for item in kept), flush=True)
"""


def test_a_killed_writer_leaves_readable_files_and_no_row_without_bytes(config: Config) -> None:
    open_warehouse(config).ensure()
    dice = random.Random(7)
    acknowledged: set[str] = set()
    for cycle in range(5):
        arguments = [sys.executable, "-c", WRITER, str(config.home), str(cycle * 100_000)]
        child = subprocess.Popen(
            arguments, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent, stderr=subprocess.DEVNULL
        )
        assert child.stdout is not None
        lines = [child.stdout.readline()]
        time.sleep(dice.uniform(0, 0.3))
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.readlines()
        child.stdout.close()
        assert child.wait() == -signal.SIGKILL
        acknowledged |= {word for line in lines if line.endswith("\n") for word in line.split()[1:]}
    files = warc_files(config.archive_path)
    assert all(map(is_sound, files))
    warehouse = open_warehouse(config)
    kept = warehouse.pending_captures(limit=100_000)
    assert not [item for item in kept if isinstance(item, LostCapture)]
    assert acknowledged
    assert acknowledged <= {item.capture_id for item in kept}
    warehouse.append_captures("run-last", [capture(9_999_999)], recorded_at=NOW)
    assert not list(config.archive_path.rglob("*.tmp"))


def test_recleaning_under_new_rules_revises_once(config: Config, tmp_path: Path) -> None:
    ended = import_all(config, tmp_path / "pages", {"a": page("a"), "b": page("b", "Officials gave no more details.")})
    assert ended == [Outcome.STORED, Outcome.STORED]
    later = NOW + timedelta(days=1)
    assert list(reclean(config, clock=lambda: later)) == [None, None]
    changed = with_new_rules(config)
    before = articles(config)
    (dry,) = [item for item in reclean(changed, clock=lambda: later, dry_run=True) if item is not None]
    assert isinstance(dry, Change)
    assert (dry.outcome, dry.no_longer_kept, dry.now_cut) == ("changed", (HARBOUR,), (HARBOUR,))
    assert articles(config) == before
    (change,) = [item for item in reclean(changed, clock=lambda: later) if item is not None]
    assert isinstance(change, Change)
    assert change.outcome == "revised"
    assert (change.no_longer_kept, change.now_cut, change.now_kept, change.title) == ((HARBOUR,), (HARBOUR,), (), None)
    after = articles(config)
    assert [(row["url"], row["revision"]) for row in after] == [
        ("https://bay-ledger.example/a", 2),
        ("https://bay-ledger.example/b", 1),
    ]
    assert HARBOUR not in after[0]["text"]
    assert list(reclean(changed, clock=lambda: later + timedelta(hours=1))) == [None, None]
    assert articles(config) == after
    kinds = json.loads(
        open_warehouse(config)
        .run_sql("SELECT kind, known_at FROM runs JOIN revisions USING (run_id) WHERE kind = 'reclean'", "json")
        .output
    )
    assert [row["kind"] for row in kinds] == ["reclean"]
    assert datetime.fromisoformat(kinds[0]["known_at"]) == later
    assert open_warehouse(config).run_checks() == []


def test_recleaning_takes_the_last_capture_of_an_article(config: Config, tmp_path: Path) -> None:
    import_all(config, tmp_path / "pages", {"a": page("a")})
    edited = page("a", "The statement was corrected on Wednesday by the ministry.")
    assert import_all(config, tmp_path / "pages", {"a": edited}, NOW + timedelta(days=1)) == [Outcome.REVISED]
    before = articles(config)
    assert list(reclean(with_new_rules(config), clock=lambda: NOW + timedelta(days=2))) == [None]
    assert articles(config) == before
    assert list(reclean(config, clock=lambda: NOW, since=NOW + timedelta(days=1, seconds=1))) == []


@pytest.mark.parametrize("arguments", [("reclean", "--dry-run"), ("archive", "prune", "--older-than", "9")])
def test_without_a_warehouse_nothing_is_made(config: Config, arguments: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, arguments, env={"ALLIANCEWATCH_HOME": str(config.home)})
    assert isinstance(result.exception, UsageError)
    assert "no warehouse" in result.exception.message
    assert not config.home.exists()


def test_recleaning_keeps_out_of_an_ingest_run(config: Config) -> None:
    open_warehouse(config).ensure()
    with hold_lease(config.home, "ingest"), pytest.raises(RunInProgressError):
        list(reclean(config, clock=lambda: NOW))


def test_pruning_removes_old_files_and_reclean_says_so(config: Config, tmp_path: Path) -> None:
    old = datetime.now(UTC) - timedelta(days=100)
    import_all(config, tmp_path / "old", {"a": page("a")}, old)
    import_all(config, tmp_path / "new", {"b": page("b")}, datetime.now(UTC))
    oldest, _ = warc_files(config.archive_path)
    before = articles(config)
    dry = invoke(config, "archive", "prune", "--older-than", "30", "--dry-run", "--json")
    (line,) = map(json.loads, dry.splitlines())
    assert (line["file"], line["record_count"]) == (oldest.relative_to(config.archive_path).as_posix(), 1)
    assert len(warc_files(config.archive_path)) == 2
    assert invoke(config, "archive", "prune", "--older-than", "200") == ""
    invoke(config, "archive", "prune", "--older-than", "30")
    assert oldest not in warc_files(config.archive_path)
    assert len(warc_files(config.archive_path)) == 1
    assert invoke(config, "archive", "prune", "--older-than", "30") == ""
    gone, same = reclean(config, clock=lambda: NOW)
    assert isinstance(gone, Lost)
    assert gone.is_gone
    assert str(oldest) in gone.problem
    assert same is None
    (said,) = map(json.loads, invoke(config, "reclean", "--json").splitlines())
    assert said["is_gone"] is True
    assert articles(config) == before
    assert open_warehouse(config).run_checks() == []


def test_what_reclean_prints(config: Config, tmp_path: Path) -> None:
    import_all(config, tmp_path / "pages", {"a": page("a")})
    with_new_rules(config)
    printed = invoke(config, "reclean", "--dry-run")
    assert f"  - kept {HARBOUR}\n" in printed
    assert f"  + cut  {HARBOUR}\n" in printed
    invoke(config, "reclean")
    assert invoke(config, "reclean") == ""


def test_a_feed_item_is_kept_and_read_back(config: Config) -> None:
    url = "https://bay-ledger.example/item"
    offered = Candidate("bay-ledger", url, url, FEED, NOW, title="Item")
    item = Capture(
        "bay-ledger", url, url, NOW, None, "application/vnd.alliancewatch.item+json", (), b'{"link": "x"}', offered
    )
    warehouse = open_warehouse(config)
    warehouse.append_captures("run-1", [item], recorded_at=NOW)
    assert warehouse.pending_captures() == [item]


def articles(config: Config) -> list[dict[str, Any]]:
    output = open_warehouse(config).run_sql("FROM articles ORDER BY url", "json").output
    rows: list[dict[str, Any]] = json.loads(output)
    return rows


def invoke(config: Config, *arguments: str) -> str:
    done = CliRunner().invoke(app, arguments, env={"ALLIANCEWATCH_HOME": str(config.home)}, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout
