"""The warehouse on real DuckDB files: what goes in comes out, once, whatever happens to the process or the file."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import os
import random
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from warehouse_values import FEED, NOW, VERSIONS, article, capture, labelled, labels, run, source

from alliancewatch.errors import UsageError, WarehouseBusyError, WarehouseDamagedError, WarehouseError
from alliancewatch.model import (
    Access,
    AccessStatus,
    CandidateOutcome,
    FetchOutcome,
    LabelledArticle,
    Outcome,
    Paragraph,
    Poll,
    Removal,
    Repair,
)
from alliancewatch.resources import resource as shipped
from alliancewatch.warehouse import SqlFormat, Warehouse

HOUR = timedelta(hours=1)
ANY_TEXT = st.text(st.characters(codec=None, categories=None), max_size=60)
ONE_FILE_FOR_ALL = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

NAUGHTY = [
    "'; DROP TABLE revision; --",
    '"; SELECT 1; --',
    "$run_id ${HOME} %s %n {0} {{7*7}}",
    "\\'; \\\\ \\u0000",
    "=1+1",
    "@SUM(A1)",
    "NULL",
    "nan",
    "NaN",
    "-Infinity",
    "1e999",
    "0x",
    "",
    " ",
    "\t\n\r\x0b\x0c\x1b[31m\x7f\x85\u2028\u2029",
    "a\x00b",
    "\ud800 \udfff",
    "\ufeff\ufffe\uffff",
    "\u202eabc\u202c \u200b\u200d\u2066",
    "e\u0301 \u00e9 \u1e9b\u0323",
    "ﾊﾟﾝ ㈱ 髙﨑 😀👩‍👩‍👧‍👦 𠮷 Z͑ͫ̓",
    "普天間飛行場の移設",
    "ﷺ العربية עברית",
    "<script>alert(1)</script> ]]> <!--",
    '[{}] {"a": 1} /* -- */',
    "../../etc/passwd",
    "x" * 100_000,
]


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new file with one run begun."""
    warehouse = Warehouse(tmp_path_factory.mktemp("begun") / "alliancewatch.duckdb")
    begin(warehouse)
    return warehouse.path


@pytest.fixture
def warehouse(begun: Path, tmp_path: Path) -> Warehouse:
    return copied(begun, tmp_path)


def copied(path: Path, folder: Path) -> Warehouse:
    for beside in path.parent.iterdir():
        shutil.copy2(beside, folder)
    return Warehouse(folder / path.name, wait_s=5)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """One file for all examples of the property tests; each takes article numbers of its own."""
    warehouse = Warehouse(tmp_path_factory.mktemp("shared") / "alliancewatch.duckdb")
    begin(warehouse)
    return warehouse


article_numbers = itertools.count(1000, 10)


def begin(warehouse: Warehouse, run_id: str = "run-1", started_at: datetime = NOW) -> None:
    warehouse.begin_run(
        run(run_id, started_at), configs={"settings.yaml": "a: 1\n"}, sources=[source()], recorded_at=started_at
    )


def append(
    warehouse: Warehouse, *results: LabelledArticle | CandidateOutcome, run_id: str = "run-1", **dates: datetime
) -> list[CandidateOutcome]:
    return warehouse.append_results(run_id, results, versions=VERSIONS, **{"recorded_at": NOW, **dates})


def store(warehouse: Warehouse, number: int = 1, text: str = "Talks were held.", at: datetime = NOW) -> Outcome:
    """One page of article `number`, fetched and stored at that time."""
    kept = capture(number, text.encode("utf-8", "surrogatepass"), at)
    warehouse.append_captures("run-1", [kept], recorded_at=at)
    return append(warehouse, labelled(kept, text), recorded_at=at)[0].outcome


def ask(warehouse: Warehouse, statement: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(warehouse.run_sql(statement, "json").output)
    return rows


def row_counts(warehouse: Warehouse) -> dict[str, int]:
    tables = ("article", "revision", "removal", "label", "label_topic", "url_alias", "capture", "outcome")
    (row,) = ask(warehouse, "SELECT " + ", ".join(f"(SELECT count(*) FROM {name}) AS {name}" for name in tables))
    return row


@contextmanager
def raw(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection past the door, to do what the program never does."""
    connection = duckdb.connect(str(path))
    try:
        yield connection
    finally:
        connection.close()


# The file


def test_a_new_file_is_whole_documented_and_of_the_pinned_format(warehouse: Warehouse) -> None:
    with raw(warehouse.path) as connection:
        undocumented = connection.execute("SELECT table_name FROM duckdb_tables() WHERE comment IS NULL").fetchall()
        options = connection.execute(
            "SELECT tags FROM duckdb_databases() WHERE database_name = 'alliancewatch'"
        ).fetchall()
        assert connection.execute("SELECT count(*) FROM duckdb_indexes()").fetchone() == (0,)
    assert undocumented == []
    assert "v1.5.0" in str(options)
    assert warehouse.run_checks() == []


def test_opening_again_changes_no_byte(warehouse: Warehouse) -> None:
    warehouse.publish()
    before = warehouse.path.read_bytes()
    Warehouse(warehouse.path).ensure()
    assert warehouse.path.read_bytes() == before
    assert not warehouse.path.with_name("alliancewatch.duckdb.wal").exists()


def test_text_is_stored_with_zstd(warehouse: Warehouse) -> None:
    store(warehouse, text="The same words again and again. " * 2000)
    warehouse.publish()
    with raw(warehouse.path) as connection:
        found = connection.execute(
            "SELECT DISTINCT compression FROM pragma_storage_info('revision') "
            "WHERE column_name = 'text' AND segment_type = 'VARCHAR'"
        ).fetchall()
    assert found == [("ZSTD",)]


def test_a_changed_migration_is_refused(warehouse: Warehouse) -> None:
    with raw(warehouse.path) as connection:
        connection.execute("UPDATE migration SET sha256 = 'else' WHERE name = '0004_article'")
    with pytest.raises(WarehouseError, match=r"changed after it was applied: `0004_article`"):
        Warehouse(warehouse.path).ensure()


def test_a_file_of_a_newer_program_is_refused(warehouse: Warehouse) -> None:
    with raw(warehouse.path) as connection:
        connection.execute("INSERT INTO migration (name, sha256) VALUES ('9999_later', 'x')")
    with pytest.raises(WarehouseError, match=r"newer than this program.*`9999_later`"):
        Warehouse(warehouse.path).ensure()


def test_an_older_file_is_brought_up_to_date(warehouse: Warehouse) -> None:
    store(warehouse)
    with raw(warehouse.path) as connection:
        connection.execute("DROP VIEW digests")
        connection.execute("DROP TABLE digest")
        connection.execute("DELETE FROM migration WHERE name = '0006_digest'")
        connection.execute("DELETE FROM view_set")
    updated = Warehouse(warehouse.path)
    updated.ensure()
    assert ask(updated, "SELECT count(*) AS n FROM digests") == [{"n": 0}]
    assert ask(updated, "SELECT count(*) AS n FROM articles") == [{"n": 1}]
    assert sorted(path.name for path in warehouse.path.parent.iterdir()) == ["alliancewatch.duckdb", "snapshot.duckdb"]


def test_a_migration_that_fails_leaves_nothing_and_a_copy(warehouse: Warehouse) -> None:
    store(warehouse)
    *_, last_but_one, last = sorted(path.stem for path in shipped("warehouse", "migrations").glob("*.sql"))
    with raw(warehouse.path) as connection:
        connection.execute(f"DELETE FROM migration WHERE name = '{last}'")  # its table is there: it must fail
    with pytest.raises(duckdb.CatalogException):
        Warehouse(warehouse.path).ensure()
    copy = warehouse.path.with_name(f"alliancewatch.duckdb.before-{last}")
    for path in (warehouse.path, copy):
        with raw(path) as connection:
            assert connection.execute("SELECT count(*) FROM revision").fetchone() == (1,)
            assert connection.execute("SELECT max(name) FROM migration").fetchone() == (last_but_one,)


def test_a_view_that_changed_is_replaced_and_one_that_is_gone_dropped(warehouse: Warehouse) -> None:
    with raw(warehouse.path) as connection:
        connection.execute("CREATE OR REPLACE VIEW articles AS SELECT 1 AS old")
        connection.execute("CREATE VIEW former AS SELECT 1 AS old")
        connection.execute("INSERT INTO view_set VALUES ('old', ['articles', 'former'], now() + INTERVAL 1 DAY)")
    with raw(warehouse.path) as connection:
        connection.execute("UPDATE view_set SET applied_at = now() - INTERVAL 1 DAY WHERE sha256 = 'old'")
        connection.execute("UPDATE view_set SET applied_at = now() - INTERVAL 2 DAY WHERE sha256 <> 'old'")
    updated = Warehouse(warehouse.path)
    assert ask(updated, "SELECT article_id FROM articles") == []
    with pytest.raises(UsageError, match="former"):
        updated.run_sql("FROM former")


def test_queries_add_and_never_change() -> None:
    for kind in ("queries", "views", "checks"):
        for path in shipped("warehouse", kind).glob("*.sql"):
            words = set(re.findall(r"[A-Z]+", re.sub(r"--.*", "", path.read_text())))
            assert not words & {"UPDATE", "DELETE", "TRUNCATE", "DROP", "ALTER", "MERGE", "CONFLICT"}, path
            assert path.read_text().startswith("-- "), path
    for path in shipped("warehouse", "migrations").glob("*.sql"):
        assert path.read_text().startswith("-- Why: "), path


# Raw first


def test_a_capture_comes_back_as_it_was_and_is_kept_once(warehouse: Warehouse) -> None:
    kept = capture(body=bytes(range(256)) * 50)
    assert warehouse.append_captures("run-1", [kept, kept], recorded_at=NOW) == 1
    assert warehouse.append_captures("run-1", [kept], recorded_at=NOW) == 0
    assert warehouse.read_capture(kept.capture_id) == kept
    assert warehouse.read_capture("no such") is None


@ONE_FILE_FOR_ALL
@given(st.lists(st.tuples(st.binary(max_size=200), ANY_TEXT), min_size=1, max_size=20))
def test_any_capture_comes_back(shared: Warehouse, pages: list[tuple[bytes, str]]) -> None:
    captures = []
    for body, text in pages:
        number = next(article_numbers)
        offered = capture(number).candidate
        assert offered is not None
        any_text = replace(offered, title=text, summary=text)
        captures.append(capture(number, body, headers=(("X-Any", text),), candidate=any_text))
    shared.append_captures("run-1", captures, recorded_at=NOW)
    back = {kept.url: kept for kept in shared.pending_captures(limit=1000)}
    for kept in captures:
        assert (back[kept.url].body, back[kept.url].capture_id) == (kept.body, kept.capture_id)
        assert back[kept.url].headers == tuple((name, storable(text)) for name, text in kept.headers)
    ended = [CandidateOutcome("bay-ledger", kept.url, Outcome.WALLED, "login", kept.capture_id) for kept in captures]
    append(shared, *ended)


def storable(text: str) -> str:
    """What becomes of characters that UTF-8 or DuckDB does not know."""
    return re.sub("[\x00\ud800-\udfff]", "\ufffd", text)


def test_what_a_killed_run_left_is_pending_until_it_has_an_outcome(warehouse: Warehouse) -> None:
    captures = [capture(number, fetched_at=NOW + number * HOUR) for number in range(5)]
    warehouse.append_captures("run-1", captures, recorded_at=NOW)
    assert warehouse.pending_captures() == captures
    assert warehouse.pending_captures(limit=2) == captures[:2]
    walled = CandidateOutcome("bay-ledger", captures[0].url, Outcome.WALLED, "login", captures[0].capture_id)
    append(warehouse, walled, labelled(captures[1]))
    assert warehouse.pending_captures() == captures[2:]


def test_a_saved_page_without_a_time_is_kept_once(warehouse: Warehouse) -> None:
    first = warehouse.append_saved("run-1", [capture(), capture(2), capture()], recorded_at=NOW)
    later = [capture(fetched_at=NOW + HOUR), capture(2, b"<p>Other</p>", NOW + HOUR)]
    second = warehouse.append_saved("run-1", later, recorded_at=NOW + HOUR)
    assert first[0] == first[2]
    assert [kept.capture_id for kept in second] == [first[0].capture_id, later[1].capture_id]
    stated = warehouse.append_saved("run-1", [later[0]], recorded_at=NOW + HOUR, known_at=NOW + HOUR)
    assert stated == [later[0]]
    assert row_counts(warehouse)["capture"] == 4


def test_feed_states_keep_the_validators_of_the_last_good_body(warehouse: Warehouse) -> None:
    def poll(hour: int, outcome: FetchOutcome, etag: str | None = None) -> Poll:
        return Poll("bay-ledger", FEED, NOW + hour * HOUR, outcome, "reason", 3, 1, 0, etag, None)

    polls = [poll(0, FetchOutcome.OK, "a"), poll(1, FetchOutcome.OK, "b"), poll(2, FetchOutcome.NOT_MODIFIED)]
    warehouse.append_polls("run-1", polls, recorded_at=NOW)
    warehouse.append_polls("run-1", [*polls, poll(3, FetchOutcome.RETRY)], recorded_at=NOW)
    state = warehouse.feed_states()[FEED]
    assert (state.etag, state.last_outcome, state.failure_count) == ("b", FetchOutcome.RETRY, 1)
    assert state.last_ok_at == NOW + 2 * HOUR
    assert ask(warehouse, "SELECT count(*) AS n FROM polls") == [{"n": 4}]


def test_known_urls_says_when_an_address_was_asked_for(warehouse: Warehouse) -> None:
    store(warehouse, 1)
    store(warehouse, 1, "Changed.", NOW + HOUR)
    walled = capture(2)
    warehouse.append_captures("run-1", [walled], recorded_at=NOW)
    append(
        warehouse,
        CandidateOutcome("bay-ledger", walled.url, Outcome.WALLED, "login", walled.capture_id),
        CandidateOutcome("bay-ledger", "https://bay-ledger.example/3?utm_source=x", Outcome.GONE, "404"),
        CandidateOutcome("bay-ledger", "https://bay-ledger.example/4", Outcome.RETRY, "503"),
    )
    known = warehouse.known_urls([f"https://bay-ledger.example/{number}" for number in range(6)])
    assert sorted(known) == [f"https://bay-ledger.example/{number}" for number in (1, 2, 3)]
    first = known["https://bay-ledger.example/1"]
    assert (first.first_fetched_at, first.last_fetched_at, first.etag) == (NOW, NOW + HOUR, '"1"')
    assert known["https://bay-ledger.example/2"].etag is None, "a wall is fetched again in full"
    assert warehouse.known_urls([]) == {}


# Articles


def test_an_article_comes_back_with_everything(warehouse: Warehouse) -> None:
    kept = capture()
    whole = article(
        "https://bay-ledger.example/whole",
        standfirst="In short.",
        byline=("A", "B"),
        published_at=datetime(2026, 11, 18, 9, 30, tzinfo=ZoneInfo("Asia/Tokyo")),
        section="World",
        captions=("A ship",),
        author_bio="A writes.",
        access=Access(AccessStatus.TEASER, ("残り1,234文字",), 1234, 2000),
        repairs=(Repair("GLUE", "a b", "ab"),),
        flags=("everything-cut",),
        provenance=(("title", "og:title"),),
        site_name="The Bay Ledger",
    )
    warehouse.append_captures("run-1", [kept], recorded_at=NOW)
    (outcome,) = append(warehouse, labelled(kept, article=whole))
    assert (outcome.outcome, outcome.revision, outcome.access) == (Outcome.STORED, 1, AccessStatus.TEASER)
    (row,) = ask(warehouse, "FROM revisions")
    expected = {
        "url": whole.url,
        "title": whole.title,
        "standfirst": "In short.",
        "text": whole.text,
        "byline": ["A", "B"],
        "published_at": "2026-11-18T00:30:00+00:00",
        "published_offset": 540,
        "published_raw": whole.published_raw,
        "section": "World",
        "paragraphs": [{"kind": "p", "text": "Talks were held."}],
        "captions": ["A ship"],
        "author_bio": "A writes.",
        "access": "teaser",
        "access_evidence": ["残り1,234文字"],
        "remaining_chars": 1234,
        "total_chars": 2000,
        "repairs": [{"kind": "GLUE", "before": "a b", "after": "ab"}],
        "flags": ["everything-cut"],
        "provenance": [["title", "og:title"]],
        "site_name": "The Bay Ledger",
        "extractor_version": "1",
    }
    assert {name: row[name] for name in expected} == expected
    assert ask(warehouse, "SELECT kind, rule, text FROM removed ORDER BY position") == [
        {"kind": "SHARE", "rule": "share-bar", "text": "Share this"},
        {"kind": "NAV", "rule": "nav", "text": "Menu"},
    ]
    assert ask(warehouse, "SELECT url FROM url_alias") == [{"url": kept.url}]
    (label, _) = ask(warehouse, "FROM labels ORDER BY position")
    assert (label["topic"], label["is_primary"]) == ("alliance-diplomacy", True)
    assert label["evidence"] == [{"term": "talks", "field": "title", "start": 0, "end": 5}]


def test_the_same_input_again_adds_nothing_but_outcomes(warehouse: Warehouse) -> None:
    captures = [capture(number) for number in range(4)]
    for run_id in ("run-1", "run-2", "run-2"):
        begin(warehouse, run_id)
        warehouse.append_captures(run_id, captures, recorded_at=NOW)
        ended = append(warehouse, *map(labelled, captures), run_id=run_id)
        if run_id == "run-1":
            before = row_counts(warehouse)
    after = row_counts(warehouse)
    assert {outcome.outcome for outcome in ended} == {Outcome.UNCHANGED}
    assert after == {**before, "outcome": 8}, "the third hand-in is that of the second run"
    assert warehouse.run_checks() == []


def test_a_to_b_to_a_is_three_revisions(warehouse: Warehouse) -> None:
    ended = [store(warehouse, text=text, at=NOW + hour * HOUR) for hour, text in enumerate("AABBA")]
    assert ended == [Outcome.STORED, Outcome.UNCHANGED, Outcome.REVISED, Outcome.UNCHANGED, Outcome.REVISED]
    rows = ask(warehouse, "SELECT revision, text FROM revisions ORDER BY revision")
    assert [row["text"] for row in rows] == ["A", "B", "A"]
    assert ask(warehouse, "SELECT text, revision_count FROM articles") == [{"text": "A", "revision_count": 3}]


def test_old_pages_handed_in_again_add_nothing(warehouse: Warehouse) -> None:
    texts = ["A", "A", "B", "A"]
    captures = [capture(1, text.encode(), NOW + hour * HOUR) for hour, text in enumerate(texts)]
    pages = [labelled(kept, text) for kept, text in zip(captures, texts, strict=True)]
    warehouse.append_captures("run-1", captures, recorded_at=NOW)
    assert [item.revision for item in append(warehouse, *pages)] == [1, 1, 2, 3]
    begin(warehouse, "run-2")
    again = append(warehouse, *reversed(pages), run_id="run-2")
    assert [(item.outcome, item.revision) for item in again] == [(Outcome.UNCHANGED, n) for n in (3, 2, 1, 1)]
    # The same bytes under newer rules are a new text all the same.
    (cleaner,) = append(warehouse, replace(pages[3], article=article(captures[3].url, "A, better cut")), run_id="run-2")
    assert (cleaner.outcome, cleaner.revision) == (Outcome.REVISED, 4)


def test_an_old_page_imported_late_is_kept_but_is_not_the_present_text(warehouse: Warehouse) -> None:
    store(warehouse, text="new", at=NOW)
    old = capture(1, b"old", NOW - 24 * HOUR)
    warehouse.append_captures("run-1", [old], recorded_at=NOW + HOUR, known_at=old.fetched_at)
    (outcome,) = append(warehouse, labelled(old, "old"), recorded_at=NOW + HOUR, known_at=old.fetched_at)
    assert (outcome.outcome, outcome.revision) == (Outcome.REVISED, 2)
    assert ask(warehouse, "SELECT text FROM articles") == [{"text": "new"}]
    assert store(warehouse, text="new", at=NOW + 2 * HOUR) == Outcome.UNCHANGED


@ONE_FILE_FOR_ALL
@given(st.lists(st.lists(st.tuples(st.integers(1, 4), st.sampled_from("AB")), min_size=1, max_size=8), max_size=4))
def test_revisions_are_the_runs_of_equal_texts(shared: Warehouse, batches: list[list[tuple[int, str]]]) -> None:
    base = next(article_numbers)
    told: defaultdict[str, list[str]] = defaultdict(list)
    clock = NOW
    for batch in batches:
        pages = []
        for number, text in batch:
            clock += HOUR
            pages.append(labelled(capture(base + number, text.encode(), clock), text))
            told[pages[-1].article_id].append(text)
        append(shared, *pages, recorded_at=clock)
    expected = [
        {
            "article_id": article_id,
            "texts": [text for index, text in enumerate(texts) if texts[index - 1 : index] != [text]],
        }
        for article_id, texts in sorted(told.items())
    ]
    assert expected == ask(
        shared,
        "SELECT article_id, list(text ORDER BY revision) AS texts FROM revisions "
        f"WHERE article_id IN ({', '.join(map(repr, ['', *told]))}) GROUP BY article_id ORDER BY article_id",
    )


@ONE_FILE_FOR_ALL
@given(st.lists(st.tuples(ANY_TEXT, ANY_TEXT, ANY_TEXT), min_size=1, max_size=20))
def test_any_text_comes_back(shared: Warehouse, texts: list[tuple[str, str, str]]) -> None:
    pages = {}
    for title, text, removed in texts:
        kept = capture(next(article_numbers))
        page = article(kept.url, text, title, removed=(Removal(removed, "NAV", "nav", removed),))
        pages[kept.url] = labelled(kept, article=page)
    assert {item.outcome for item in append(shared, *pages.values())} == {Outcome.STORED}
    rows = ask(
        shared,
        "SELECT url, title, revisions.text, removed.text AS removed, evidence "
        f"FROM revisions JOIN removed USING (article_id, revision) WHERE url IN ({', '.join(map(repr, pages))})",
    )
    assert len(rows) == len(pages)
    for row in rows:
        page = pages[row["url"]].article
        cut = page.removed[0]
        assert row["title"] == storable(page.title or "")
        assert (row["text"], row["removed"], row["evidence"]) == tuple(
            map(storable, (page.text, cut.text, cut.evidence))
        )


def test_naughty_strings_come_back_and_harm_nothing(warehouse: Warehouse) -> None:
    captures = [capture(number) for number in range(len(NAUGHTY))]
    pages = [
        labelled(
            kept,
            article=article(
                kept.url, text, text, section=text, byline=(text,), removed=(Removal(text, "NAV", "n", text),)
            ),
            found_in=text,
        )
        for kept, text in zip(captures, NAUGHTY, strict=True)
    ]
    warehouse.append_captures("run-1", captures, recorded_at=NOW)
    assert {item.outcome for item in append(warehouse, *pages)} == {Outcome.STORED}
    assert warehouse.known_urls(NAUGHTY) == {}
    assert warehouse.read_capture(NAUGHTY[0]) is None
    rows = ask(warehouse, "FROM revisions ORDER BY length(url), url")
    for row, text in zip(rows, NAUGHTY, strict=True):
        stored = storable(text)
        assert (row["title"], row["text"], row["section"], row["byline"]) == (stored, stored, stored, [stored])
    warehouse.run_sql("FROM articles", "table")
    assert warehouse.run_checks() == []


def test_equal_in_nfc_is_unchanged(warehouse: Warehouse) -> None:
    store(warehouse, text=unicodedata.normalize("NFC", "ガ é"))
    assert store(warehouse, text=unicodedata.normalize("NFD", "ガ é"), at=NOW + HOUR) == Outcome.UNCHANGED


@pytest.mark.parametrize(
    "spoil",
    [
        lambda page: replace(page, labels=labels(relevance_score=math.nan)),
        lambda page: replace(page, article=article(page.url, access=Access(AccessStatus.FULL, (), 2**70))),
        lambda page: replace(page, article=article(page.url, title=b"bytes")),  # type: ignore[arg-type]
        lambda page: replace(page, article=article(page.url, paragraphs=(Paragraph("p", None),))),  # type: ignore[arg-type]
        lambda page: replace(page, first_seen_at=datetime(2026, 1, 1)),  # noqa: DTZ001
    ],
    ids=["nan", "int70", "bytes", "none", "naive"],
)
def test_one_bad_row_of_fifty_is_quarantined(warehouse: Warehouse, spoil: Any) -> None:
    captures = [capture(number) for number in range(50)]
    pages = [labelled(kept) for kept in captures]
    pages[17] = spoil(pages[17])
    warehouse.append_captures("run-1", captures, recorded_at=NOW)
    ended = append(warehouse, *pages)
    assert [item.outcome for item in ended].count(Outcome.STORED) == 49
    assert ended[17].outcome == Outcome.QUARANTINED
    assert ended[17].capture_id == captures[17].capture_id
    assert ended[17].reason.startswith("cannot be stored: ")
    assert ended[17].trace is not None
    assert row_counts(warehouse)["revision"] == 49
    assert warehouse.run_checks() == []


def test_a_new_taxonomy_adds_labels_and_nothing_else(warehouse: Warehouse) -> None:
    kept = capture()
    warehouse.append_captures("run-1", [kept], recorded_at=NOW)
    append(warehouse, labelled(kept))
    before = row_counts(warehouse)
    newer = labelled(kept, labels=labels("4", relevance="irrelevant", topics=(), primary=None))
    append(warehouse, newer, recorded_at=NOW + HOUR)
    after = row_counts(warehouse)
    assert {name for name in after if after[name] != before[name]} == {"label"}
    assert ask(warehouse, "SELECT relevance, primary_topic, taxonomy_version FROM articles") == [
        {"relevance": "irrelevant", "primary_topic": None, "taxonomy_version": "4"}
    ]
    assert ask(warehouse, "SELECT taxonomy_version, topic FROM labels ORDER BY ALL") == [
        {"taxonomy_version": "3", "topic": "alliance-diplomacy"},
        {"taxonomy_version": "3", "topic": "force-posture"},
        {"taxonomy_version": "4", "topic": None},
    ]


def test_a_source_gets_a_row_when_its_definition_changes(warehouse: Warehouse) -> None:
    names = {"run-2": "The Bay Ledger", "run-3": "Bay Ledger", "run-4": "The Bay Ledger"}
    for hour, (run_id, name) in enumerate(names.items(), 1):
        later = run(run_id, NOW + hour * HOUR)
        warehouse.begin_run(later, configs={"settings.yaml": "a: 1\n"}, sources=[source(name=name)], recorded_at=NOW)
        warehouse.end_run(run_id, status="done", counts={}, recorded_at=NOW + HOUR)
    assert ask(warehouse, "SELECT count(*) AS n FROM source") == [{"n": 3}]
    assert ask(warehouse, "SELECT name, is_enabled, expected_per_week FROM sources") == [
        {"name": "The Bay Ledger", "is_enabled": True, "expected_per_week": 5}
    ]
    assert ask(warehouse, "SELECT count(*) AS n FROM config_content") == [{"n": 1}]
    assert ask(warehouse, "SELECT run_id, status FROM runs ORDER BY run_id")[0] == {"run_id": "run-1", "status": None}


# Weeks and cuts

TOKYO = ZoneInfo("Asia/Tokyo")


@ONE_FILE_FOR_ALL
@given(
    st.lists(
        st.tuples(
            st.datetimes(datetime(2019, 1, 1), datetime(2034, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
            st.none() | st.timedeltas(timedelta(days=-3), timedelta(days=20)),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_the_week_is_the_iso_week_in_tokyo(shared: Warehouse, dates: list[tuple[datetime, timedelta | None]]) -> None:
    expected, pages = {}, []
    for first_seen_at, before in dates:
        kept = capture(next(article_numbers))
        published_at = None if before is None else first_seen_at - before
        page = article(kept.url, published_at=published_at)
        pages.append(labelled(kept, first_seen_at=first_seen_at, article=page))
        dated_at = published_at if published_at and published_at <= first_seen_at else first_seen_at
        expected[pages[-1].article_id] = "{:04d}-W{:02d}".format(*dated_at.astimezone(TOKYO).isocalendar())
    append(shared, *pages)
    rows = ask(shared, f"SELECT article_id, week FROM articles WHERE article_id IN ({', '.join(map(repr, expected))})")
    assert {row["article_id"]: row["week"] for row in rows} == expected


WEEK_START = datetime(2026, 12, 28, tzinfo=TOKYO)
CUT = WEEK_START + timedelta(days=7, hours=7)


def digest_rows(warehouse: Warehouse, **changes: Any) -> dict[str, dict[str, Any]]:
    parameters: dict[str, Any] = {
        "week_start": WEEK_START,
        "week_end": WEEK_START + timedelta(days=7),
        "as_of": CUT,
        "recorded_through": CUT,
        "previous_cut": CUT - timedelta(days=7),
    }
    rows = warehouse.select("digest_articles", **parameters | changes)
    return {row["url"].rpartition("/")[2]: row for row in rows}


def store_dated(warehouse: Warehouse, number: int, published_at: datetime, seen_at: datetime, text: str = "x") -> None:
    kept = capture(number, text.encode(), seen_at.astimezone(UTC))
    warehouse.append_captures("run-1", [kept], recorded_at=seen_at)
    page = labelled(kept, article=article(kept.url, text, published_at=published_at))
    append(warehouse, page, recorded_at=seen_at)


def test_digest_articles_are_the_week_half_open_and_the_late(warehouse: Warehouse) -> None:
    second = timedelta(seconds=1)
    store_dated(warehouse, 1, WEEK_START - second, WEEK_START)  # the week before, in time for its digest
    store_dated(warehouse, 2, WEEK_START - second, CUT - timedelta(days=6))  # the week before, late
    store_dated(warehouse, 3, WEEK_START, WEEK_START + HOUR)
    store_dated(warehouse, 4, WEEK_START + timedelta(days=7) - second, WEEK_START + timedelta(days=7))
    store_dated(warehouse, 5, WEEK_START + timedelta(days=7), CUT - HOUR)  # the week after
    store_dated(warehouse, 6, WEEK_START + HOUR, CUT + second)  # after the cut
    store_dated(warehouse, 7, WEEK_START - timedelta(days=29), WEEK_START + timedelta(days=2))  # too old
    rows = digest_rows(warehouse)
    assert {name: row["is_late"] for name, row in rows.items()} == {"2": True, "3": False, "4": False}
    assert {row["week"] for name, row in rows.items() if name != "2"} == {"2026-W53"}
    assert set(digest_rows(warehouse, previous_cut=None)) == {"3", "4"}
    assert rows["3"]["source_name"] == "The Bay Ledger"
    assert rows["3"]["topics"][0] == {"topic": "alliance-diplomacy", "score": 9.0}


def test_a_digest_shows_the_state_at_its_cut(warehouse: Warehouse) -> None:
    seen_at = WEEK_START + HOUR
    store_dated(warehouse, 1, WEEK_START, seen_at, "first")
    before = digest_rows(warehouse)
    store_dated(warehouse, 1, WEEK_START, CUT + HOUR, "second")
    relabelled = labelled(
        capture(1, b"second", (CUT + HOUR).astimezone(UTC)), labels=labels("4", primary=None, topics=())
    )
    page = replace(relabelled, article=article(relabelled.url, "second", published_at=WEEK_START))
    append(warehouse, page, recorded_at=CUT + 2 * HOUR)
    # An import may state that it was known before the cut; it was recorded after it.
    old = capture(2, b"old", seen_at.astimezone(UTC))
    warehouse.append_captures("run-1", [old], recorded_at=CUT + HOUR, known_at=seen_at)
    append(
        warehouse,
        labelled(old, article=article(old.url, "old", published_at=WEEK_START)),
        recorded_at=CUT + HOUR,
        known_at=seen_at,
    )
    assert digest_rows(warehouse) == before
    assert before["1"]["text"] == "first"
    later = digest_rows(warehouse, recorded_through=CUT + 9 * HOUR)
    assert set(later) == {"1", "2"}
    newest = digest_rows(warehouse, as_of=CUT + 9 * HOUR, recorded_through=CUT + 9 * HOUR)["1"]
    assert (newest["text"], newest["revision"], newest["primary_topic"]) == ("second", 2, None)


def test_coverage_counts_what_was_expected_came_and_failed(warehouse: Warehouse) -> None:
    warehouse.begin_run(
        run("run-2"),
        configs={},
        sources=[source("quiet"), source("off", enabled=False, reason="terms")],
        recorded_at=NOW,
    )
    at = WEEK_START + HOUR
    store_dated(warehouse, 1, at, at)
    store_dated(warehouse, 2, at, WEEK_START + timedelta(days=8))  # outside the week
    partial = labelled(capture(3), article=article(capture(3).url, access=Access(AccessStatus.TEASER)))
    append(
        warehouse,
        partial,
        CandidateOutcome("bay-ledger", "https://bay-ledger.example/9", Outcome.RETRY, "503"),
        CandidateOutcome("imported", "https://else.example/1", Outcome.NOT_ARTICLE, "listing"),
        recorded_at=at,
    )
    polls = [
        Poll("bay-ledger", FEED, at + hour * HOUR, outcome, outcome.value)
        for hour, outcome in enumerate([FetchOutcome.OK, FetchOutcome.RETRY, FetchOutcome.RETRY])
    ]
    warehouse.append_polls("run-1", polls, recorded_at=at)
    week = {"week_start": WEEK_START, "week_end": WEEK_START + timedelta(days=7)}
    rows = warehouse.select("digest_coverage", **week, as_of=CUT, recorded_through=CUT)
    assert [row["source_id"] for row in rows] == ["bay-ledger", "imported", "quiet"]
    ledger, imported, quiet = rows
    assert ledger["outcomes"] == {"stored": 2, "retry": 1}
    assert ledger["polls"] == {"ok": 1, "retry": 2}
    assert {name: ledger[name] for name in ledger if name.endswith(("_count", "_week"))} == {
        "expected_per_week": 5,
        "new_count": 2,
        "revised_count": 0,
        "partial_count": 1,
        "candidate_count": 3,
        "failed_poll_count": 2,
        "failed_count": 1,
    }
    assert ledger["reasons"] == [{"reason": "retry", "count": 2}, {"reason": "503", "count": 1}]
    assert (imported["candidate_count"], imported["is_enabled"]) == (1, False)
    assert (quiet["candidate_count"], quiet["is_enabled"], quiet["outcomes"]) == (0, True, {})


def test_digests_are_on_record(warehouse: Warehouse) -> None:
    warehouse.append_digest(
        "run-1",
        week="2026-W53",
        as_of=CUT,
        recorded_through=CUT,
        config_sha256="abc",
        program_version="0.1.0",
        parts={"digest.html": "def"},
        item_count=3,
        built_at=CUT,
        recorded_at=CUT,
    )
    (row,) = ask(warehouse, "FROM digests")
    assert (row["week"], row["parts"], row["as_of"]) == (
        "2026-W53",
        {"digest.html": "def"},
        "2027-01-03T22:00:00+00:00",
    )
    span = warehouse.recorded_span()
    assert span is not None
    assert span[0] == NOW


# Checks


WRONG = {
    "article_is_there_once": "INSERT INTO article SELECT * FROM article LIMIT 1",
    "article_has_revision": "DELETE FROM revision WHERE revision = 1",
    "revision_numbers_have_no_gap": "UPDATE revision SET revision = 3 WHERE revision = 2",
    "revision_has_capture": "DELETE FROM capture",
    "capture_is_there_once": "INSERT INTO capture SELECT * FROM capture LIMIT 1",
    "exchange_is_there_once": "INSERT INTO exchange SELECT 'a', 'mofa', 'feed', 'https://x.example/', now(), 200, "
    "NULL, '[]', '', 0, true, 'gone', NULL, NULL, NULL, 'run-1', now()",
    "removal_has_revision": "UPDATE removal SET revision = 9 WHERE revision = 1 AND position = 1",
    "label_is_there_once": "DELETE FROM label WHERE revision = 1",
    "label_topic_has_label": "DELETE FROM label_topic WHERE topic = 'alliance-diplomacy'",
    "outcome_has_its_rows": "DELETE FROM outcome WHERE outcome = 'stored'",
    "delivery_is_sent_once": "INSERT INTO delivery SELECT 1, '2026-W47', 'a@x.example', 'sent', 'end', 250, 'ok', "
    "'<1@x>', 'run-1', now() FROM range(2)",
    "run_counts_add_up": "UPDATE run_end SET counts = '{\"stored\": 2}'",
}


def test_every_check_has_a_case_and_passes_on_a_healthy_file(warehouse: Warehouse) -> None:
    assert set(WRONG) == {path.stem for path in shipped("warehouse", "checks").glob("*.sql")}


@pytest.fixture(scope="module")
def revised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A healthy file with an article of two revisions."""
    warehouse = Warehouse(tmp_path_factory.mktemp("revised") / "alliancewatch.duckdb")
    begin(warehouse)
    store(warehouse)
    store(warehouse, text="changed", at=NOW + HOUR)
    warehouse.end_run("run-1", status="done", counts={"stored": 1, "revised": 1}, recorded_at=NOW)
    assert warehouse.run_checks() == []
    return warehouse.path


@pytest.mark.parametrize("name", WRONG)
def test_a_check_finds_the_wrong_rows(revised: Path, tmp_path: Path, name: str) -> None:
    warehouse = copied(revised, tmp_path)
    with raw(warehouse.path) as connection:
        connection.execute(WRONG[name])
    failed = {check.name: check for check in warehouse.run_checks()}
    assert failed[name].row_count >= 1
    assert failed[name].examples
    assert failed[name].expectation.endswith(".")


# Processes


def writer(path: Path, name: str, first: int, batches: int, size: int) -> subprocess.Popen[str]:
    script = Path(__file__).with_name("warehouse_values.py")
    arguments = [str(path), name, str(first), str(batches), str(size)]
    return subprocess.Popen([sys.executable, str(script), *arguments], stdout=subprocess.PIPE, text=True)


def test_kill_9_loses_no_acknowledged_row_and_doubles_none(warehouse: Warehouse) -> None:
    chance = random.Random(20261125)
    acknowledged: set[int] = set()
    for cycle in range(4):
        process = writer(warehouse.path, f"killed-{cycle}", 0, 200, 10)
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        time.sleep(chance.uniform(0.0, 0.4))
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.readlines()
        process.wait()
        process.stdout.close()
        acknowledged |= {int(line.split()[1]) for line in lines if line.endswith("\n") and line.startswith("ACK")}
        rows = ask(warehouse, "SELECT url, count(*) AS n FROM articles GROUP BY url")
        stored = {int(row["url"].rpartition("/")[2]) for row in rows if row["n"] == 1}
        assert len(stored) == len(rows)
        assert acknowledged <= stored
    assert len(acknowledged) >= 10
    assert warehouse.run_checks() == []
    assert not [kept for kept in warehouse.pending_captures() if not kept.body]


def test_two_processes_at_once_store_everything_once(warehouse: Warehouse) -> None:
    processes = [writer(warehouse.path, name, 0, 4, 25) for name in ("left", "right")]
    assert [process.wait(60) for process in processes] == [0, 0]
    for process in processes:
        assert process.stdout is not None
        process.stdout.close()
    assert row_counts(warehouse)["revision"] == 100
    assert row_counts(warehouse)["outcome"] == 200
    assert warehouse.run_checks() == []


def test_two_processes_may_create_the_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "alliancewatch.duckdb"
    processes = [writer(path, name, first, 1, 5) for name, first in (("left", 0), ("right", 100))]
    assert [process.wait(60) for process in processes] == [0, 0]
    for process in processes:
        assert process.stdout is not None
        process.stdout.close()
    assert row_counts(Warehouse(path))["article"] == 10
    assert [found.name for found in tmp_path.glob(".creating-*")] == []


def test_threads_wait_for_each_other(warehouse: Warehouse) -> None:
    errors: list[BaseException] = []

    def work(first: int) -> None:
        try:
            for number in range(first, first + 4):
                store(Warehouse(warehouse.path), number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(first,)) for first in (0, 10, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert row_counts(warehouse)["article"] == 12


@contextmanager
def held_by_another_process(path: Path) -> Iterator[None]:
    code = f"import duckdb; c = duckdb.connect({str(path)!r}); print('held', flush=True); input()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    try:
        yield
    finally:
        process.communicate("\n")


def test_a_held_file_is_busy_and_readers_keep_the_snapshot(warehouse: Warehouse) -> None:
    store(warehouse, 1)
    warehouse.publish()
    store(warehouse, 2)
    hasty = Warehouse(warehouse.path, wait_s=0.1)
    with held_by_another_process(warehouse.path):
        with pytest.raises(WarehouseBusyError, match="held by process") as caught:
            hasty.feed_states()
        answer = hasty.run_sql("SELECT count(*) AS n FROM articles", "csv")
    assert caught.value.exit_code == 75
    assert "\n" not in caught.value.message
    assert answer.output == b"n\n1\n"
    assert answer.note is not None
    assert "in use" in answer.note
    current = hasty.run_sql("SELECT count(*) AS n FROM articles", "csv")
    assert (current.output, current.note) == (b"n\n2\n", None)


def test_without_a_snapshot_a_held_file_is_busy_for_readers_too(warehouse: Warehouse) -> None:
    with held_by_another_process(warehouse.path), pytest.raises(WarehouseBusyError):
        Warehouse(warehouse.path, wait_s=0.1).run_sql("SELECT 1")


# The snapshot


def test_publishing_brings_the_snapshot_up_to_date_under_open_readers(warehouse: Warehouse) -> None:
    store(warehouse, 1)
    assert warehouse.snapshot_state() is None
    assert warehouse.publish().is_current
    reader = duckdb.connect(str(warehouse.snapshot), read_only=True)
    store(warehouse, 2)
    state = warehouse.snapshot_state()
    assert state is not None
    assert not state.is_current
    warehouse.publish()
    state = warehouse.snapshot_state()
    assert state is not None
    assert state.is_current
    assert reader.execute("SELECT count(*) FROM articles").fetchone() == (1,)
    reader.close()
    assert ask(warehouse, "SELECT count(*) AS n FROM articles") == [{"n": 2}]
    assert not warehouse.path.with_name("alliancewatch.duckdb.wal").exists()
    assert not list(warehouse.path.parent.glob("*.tmp"))


def test_publishing_twice_copies_once(warehouse: Warehouse) -> None:
    warehouse.publish()
    before = warehouse.snapshot.stat().st_ino
    warehouse.publish()
    assert warehouse.snapshot.stat().st_ino == before


def test_a_snapshot_alone_can_be_asked(warehouse: Warehouse, tmp_path: Path) -> None:
    store(warehouse)
    warehouse.publish()
    alone = tmp_path / "elsewhere" / "snapshot.duckdb"
    alone.parent.mkdir()
    shutil.copy(warehouse.snapshot, alone)
    answer = Warehouse(alone.with_name("alliancewatch.duckdb")).run_sql("SELECT count(*) AS n FROM articles", "csv")
    assert answer.output == b"n\n1\n"
    assert answer.note is not None


def test_no_warehouse_at_all_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="no warehouse: ") as caught:
        Warehouse(tmp_path / "alliancewatch.duckdb").run_sql("SELECT 1")
    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


# Damage


def newer_format(content: bytes) -> bytes:
    """The header as DuckDB 2.0 writes it by default: version number 999, with the checksum it asks for."""
    head = bytearray(content[:4096])
    head[12:20] = struct.pack("<Q", 999)
    head[52:60] = b"v2.0.0\0\0"
    checksum = 5381
    for (word,) in struct.iter_unpack("<Q", head[8:]):
        checksum ^= word * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
    head[:8] = struct.pack("<Q", checksum)
    return bytes(head) + content[4096:]


def flipped(content: bytes, position: int) -> bytes:
    return content[:position] + bytes([content[position] ^ 0x40]) + content[position + 1 :]


DAMAGE: dict[str, Any] = {
    "empty": lambda content: b"",
    "garbage": lambda content: random.Random(1).randbytes(50_000),
    "short": lambda content: b"hello",
    "sqlite": lambda content: b"SQLite format 3\0" + bytes(5000),
    "zeroed": lambda content: bytes(len(content)),
    "zeroed-head": lambda content: bytes(4096) + content[4096:],
    "cut-in-half": lambda content: content[: len(content) // 2],
    "cut-in-the-head": lambda content: content[:5000],
    "bit-in-main-head": lambda content: flipped(content, 60),
    "bit-in-first-head": lambda content: flipped(content, 4096 + 20),
    "bit-in-second-head": lambda content: flipped(content, 8192 + 20),
    "newer-format": newer_format,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_named_and_kept(warehouse: Warehouse, damage: str) -> None:
    store(warehouse)
    warehouse.publish()
    spoiled = DAMAGE[damage](warehouse.path.read_bytes())
    warehouse.path.write_bytes(spoiled)
    damaged = Warehouse(warehouse.path, wait_s=0.2)
    for attempt in (damaged.ensure, damaged.publish, lambda: damaged.run_sql("SELECT 1"), damaged.feed_states):
        with pytest.raises(WarehouseDamagedError) as caught:
            attempt()
        assert str(warehouse.path) in caught.value.message
        assert "\n" not in caught.value.message
        assert caught.value.hint
    if damage == "newer-format":
        assert "DuckDB v2.0.0" in caught.value.message
        assert duckdb.__version__ in caught.value.message
    assert warehouse.path.read_bytes() == spoiled
    # The way out that the hint names.
    warehouse.path.unlink()
    shutil.copy(warehouse.snapshot, warehouse.path)
    assert ask(Warehouse(warehouse.path), "SELECT count(*) AS n FROM articles") == [{"n": 1}]


@pytest.mark.parametrize("seed", range(6))
def test_a_flipped_bit_never_gives_wrong_rows(warehouse: Warehouse, seed: int) -> None:
    for number in range(3):
        store(warehouse, number, f"Text {number} " * 300)
    warehouse.publish()
    good = ask(warehouse, "FROM revisions ORDER BY ALL")
    content = warehouse.path.read_bytes()
    warehouse.path.write_bytes(flipped(content, random.Random(seed).randrange(12288, len(content))))
    with suppress(WarehouseDamagedError):
        assert ask(Warehouse(warehouse.path), "FROM revisions ORDER BY ALL") == good


@pytest.mark.parametrize("damage", ["garbage", "zeroed", "bit"])
def test_a_damaged_log_is_named_and_kept(warehouse: Warehouse, damage: str) -> None:
    warehouse.publish()
    store(warehouse)
    log = warehouse.path.with_name("alliancewatch.duckdb.wal")
    content = log.read_bytes()
    spoiled = {
        "garbage": random.Random(2).randbytes(len(content)),
        "zeroed": bytes(len(content)),
        "bit": flipped(content, len(content) // 2),
    }[damage]
    log.write_bytes(spoiled)
    with pytest.raises(WarehouseDamagedError, match=r"alliancewatch\.duckdb\.wal"):
        Warehouse(warehouse.path).feed_states()
    assert log.read_bytes() == spoiled


def test_a_log_that_was_cut_by_a_crash_opens(warehouse: Warehouse) -> None:
    store(warehouse, 1)
    warehouse.publish()
    store(warehouse, 2)
    log = warehouse.path.with_name("alliancewatch.duckdb.wal")
    log.write_bytes(log.read_bytes()[:-20])
    assert row_counts(Warehouse(warehouse.path))["outcome"] == 1


@pytest.mark.parametrize("left", ["snapshot.duckdb", "alliancewatch.duckdb.wal"])
def test_a_missing_file_is_not_silently_made_anew(warehouse: Warehouse, left: str) -> None:
    warehouse.publish()
    store(warehouse)
    if left != "snapshot.duckdb":
        warehouse.snapshot.unlink()
    warehouse.path.unlink()
    with pytest.raises(WarehouseDamagedError, match="the file is gone"):
        Warehouse(warehouse.path).ensure()
    assert not warehouse.path.exists()


@pytest.mark.parametrize("statement", ["CREATE TABLE other (a INTEGER)", "SELECT 1"])
def test_a_foreign_duckdb_file_is_refused_and_kept(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "alliancewatch.duckdb"
    with raw(path) as connection:
        connection.execute(statement)
    before = path.read_bytes()
    with pytest.raises(WarehouseDamagedError, match="no AllianceWatch warehouse"):
        Warehouse(path).ensure()
    assert path.read_bytes() == before


def test_a_folder_in_the_files_place_is_said(tmp_path: Path) -> None:
    path = tmp_path / "alliancewatch.duckdb"
    path.mkdir()
    with pytest.raises(WarehouseError):
        Warehouse(path).ensure()


# Disks


def in_a_child(folder: Path, code: str, **options: Any) -> str:
    """What a process with limits of its own prints."""
    environment = {**os.environ, "PYTHONPATH": f"{Path(__file__).parent}:{Path(__file__).parents[1] / 'src'}"}
    done: subprocess.CompletedProcess[str] = subprocess.run(
        [sys.executable, "-B", "-c", f"PATH = {str(folder / 'alliancewatch.duckdb')!r}\n{code}"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        **options,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


STORE_MANY = """
import os
from pathlib import Path
from alliancewatch.errors import WarehouseError
from alliancewatch.warehouse import Warehouse
from warehouse_values import *
warehouse = Warehouse(Path(PATH))
for number in range(100, 200):
    kept = capture(number, os.urandom(40_000))
    try:
        warehouse.append_captures("run-1", [kept], recorded_at=NOW)
        warehouse.append_results("run-1", [labelled(kept)], versions=VERSIONS, recorded_at=NOW)
    except WarehouseError as error:
        print("ERROR", type(error).__name__, error.message)
        break
    print("ACK", number)
"""


def test_a_full_disk_is_one_line_and_nothing_acknowledged_is_lost(warehouse: Warehouse) -> None:
    store(warehouse)
    warehouse.publish()
    limit = 600_000

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    *acknowledged, last = in_a_child(warehouse.path.parent, STORE_MANY, preexec_fn=limited).splitlines()
    assert last.startswith("ERROR WarehouseError disk is full: ")
    assert acknowledged
    stored = {row["url"].rpartition("/")[2] for row in ask(Warehouse(warehouse.path), "SELECT url FROM articles")}
    assert {line.split()[1] for line in acknowledged} <= stored
    assert store(Warehouse(warehouse.path), 500) == Outcome.STORED
    assert warehouse.run_checks() == []


def test_publishing_on_a_full_disk_keeps_the_old_snapshot(warehouse: Warehouse) -> None:
    store(warehouse, 1, "Text " * 1000)
    warehouse.publish()
    before = warehouse.snapshot.read_bytes()
    store(warehouse, 2)
    code = """
from pathlib import Path
from alliancewatch.errors import WarehouseError
from alliancewatch.warehouse import Warehouse
try:
    Warehouse(Path(PATH)).publish()
except WarehouseError as error:
    print(error.message)
"""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    assert in_a_child(warehouse.path.parent, code, preexec_fn=limited).count("\n") == 1
    assert warehouse.snapshot.read_bytes() == before
    assert not list(warehouse.path.parent.glob("*.tmp"))
    assert ask(warehouse, "SELECT count(*) AS n FROM articles") == [{"n": 2}]


AS_ANOTHER_USER = """
import csv, encodings.idna, os, pytz  # before the folder they are in may become unreadable
from pathlib import Path
from alliancewatch.warehouse import Warehouse
from warehouse_values import *
if os.geteuid() == 0:  # whom permissions do not stop
    os.setuid(65534)
"""


def test_a_disk_that_cannot_be_written_is_one_line(warehouse: Warehouse) -> None:
    store(warehouse)
    warehouse.publish()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in (warehouse.path, warehouse.snapshot):
            shutil.copy2(path, folder)
            (folder / path.name).chmod(0o444)
        folder.chmod(0o555)
        question = "answer = Warehouse(Path(PATH)).run_sql('SELECT count(*) AS n FROM articles', 'csv')\n"
        try:
            output = in_a_child(folder, AS_ANOTHER_USER + STORE_MANY)
            asked = in_a_child(folder, AS_ANOTHER_USER + question + "print(answer.output, answer.note)")
        finally:
            folder.chmod(0o755)
    assert output.startswith("ERROR WarehouseError ")
    assert output.count("\n") == 1
    assert asked == "b'n\\n1\\n' None\n"


# SQL from analysts


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    warehouse = Warehouse(tmp_path_factory.mktemp("asked") / "alliancewatch.duckdb")
    begin(warehouse)
    for number in range(3):
        store(warehouse, number)
    warehouse.publish()
    return warehouse


REFUSED = [
    "INSERT INTO run SELECT * FROM run",
    "UPDATE revision SET title = 'x'",
    "DELETE FROM revision",
    "DROP TABLE revision",
    "CREATE TABLE t (a INTEGER)",
    "CREATE TEMP TABLE t AS SELECT 1",
    "CREATE MACRO m() AS 1",
    "ALTER TABLE run ADD COLUMN a INTEGER",
    "SELECT 1; DROP TABLE run",
    "SELECT 1; SELECT 2",
    "",
    "-- nothing",
    "COPY articles TO 'out.csv'",
    "COPY articles FROM 'in.csv'",
    "EXPORT DATABASE 'out'",
    "IMPORT DATABASE 'in'",
    "ATTACH 'other.duckdb'",
    "DETACH warehouse",
    "USE memory",
    "SET memory_limit = '100GB'",
    "SET enable_external_access = true",
    "RESET memory_limit",
    "PRAGMA database_list",
    " /* x */ pragma database_list",
    "PRAGMA enable_profiling",
    "PRAGMA memory_limit = '1TB'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "CALL pragma_version()",
    "CHECKPOINT",
    "VACUUM",
    "BEGIN",
    "PREPARE p AS SELECT 1",
    "EXPLAIN ANALYZE SELECT 1",
    "FROM read_text('/etc/passwd')",
    "FROM read_csv('/etc/passwd')",
    "FROM read_blob('/etc/*')",
    "FROM '/etc/passwd'",
    "FROM 'data.parquet'",
    "FROM read_parquet('http://127.0.0.1:9/x.parquet')",
    "FROM 'https://127.0.0.1:9/x.csv'",
    "FROM glob('/*')",
    "FROM sniff_csv('/etc/passwd')",
    "FROM parquet_metadata('/etc/passwd')",
    "SELECT getenv('HOME')",
    "SELECT current_setting('memory_limit')",
    "FROM duckdb_settings()",
    'FROM "duckdb_settings"()',
    "FROM duckdb_databases()",
    "FROM pragma_database_list",
    "FROM duckdb_secrets()",
    "FROM duckdb_extensions()",
    "FROM query('SELECT 1')",
    "SELECT * FROM warehouse",
    "SELECT nothing FROM articles",
    "SELEC 1",
    "SELECT 'x'::INTEGER",
    "SELECT 1 / 'x'",
    "SELECT $1",
]


@pytest.mark.parametrize(
    ("statement", "output_format"),
    [*((statement, "csv") for statement in REFUSED), *((statement, "parquet") for statement in REFUSED[::7])],
)
def test_sql_that_does_more_than_read_is_refused_in_one_line(
    asked: Warehouse, statement: str, output_format: SqlFormat
) -> None:
    before = asked.snapshot.read_bytes()
    with pytest.raises(UsageError) as caught:
        asked.run_sql(statement, output_format)
    assert "\n" not in caught.value.message
    assert caught.value.message.strip()
    assert asked.snapshot.read_bytes() == before


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT count(*) FROM articles",
        "FROM articles",
        "WITH a AS (FROM articles) SELECT title FROM a;",
        "DESCRIBE articles",
        "SUMMARIZE articles",
        "SHOW TABLES",
        "VALUES (1), (2)",
        "SELECT 'duckdb_settings', 'pragma'",
        "SELECT title FROM articles -- a note",
        "FROM article_state('2026-11-19', now())",
        "SELECT text FROM revisions WHERE text ILIKE '%''; DROP%'",
        "SELECT comment FROM duckdb_tables()",
    ],
)
def test_sql_that_reads_works_in_every_format(asked: Warehouse, statement: str) -> None:
    formats: tuple[SqlFormat, ...] = ("table", "csv", "json")
    for output_format in formats:
        assert asked.run_sql(statement, output_format).output
    assert asked.run_sql(statement, "parquet").output[:4] == b"PAR1"


def test_views_have_the_columns_everyone_may_rely_on(asked: Warehouse) -> None:
    promised = {
        "articles": "article_id, source_id, url, title, lang, published_at, first_seen_at, access, relevance, "
        "primary_topic, week",
        "revisions": "article_id, revision, recorded_at, text",
        "removed": "article_id, revision, kind, rule, evidence, text",
        "labels": "article_id, revision, taxonomy_version, topic, score, evidence",
        "outcomes": "run_id, source_id, url, outcome, reason",
        "sources": "source_id, name",
        "digests": "week, as_of",
        "deliveries": "week, recipient, state, attempt_count, code, detail, message_id",
        "runs": "run_id, kind, started_at",
        "polls": "source_id, url, outcome",
        "captures": "capture_id, url, fetched_at, body_sha256",
    }
    for view, columns in promised.items():
        asked.run_sql(f"SELECT {columns} FROM {view}", "csv")
    assert "body_zlib" not in asked.run_sql("DESCRIBE captures", "csv").output.decode()


def test_a_query_is_stopped_in_time(asked: Warehouse) -> None:
    began = time.monotonic()
    with pytest.raises(WarehouseError, match=r"stopped after 0\.3 s"):
        asked.run_sql("SELECT count(*) FROM range(1000000) a, range(1000000) b", timeout_s=0.3)
    assert time.monotonic() - began < 5


def test_a_query_is_held_to_its_memory(asked: Warehouse) -> None:
    with pytest.raises(WarehouseError, match="more than 50MB of memory"):
        asked.run_sql("SELECT list(i) FROM range(50000000) r(i)", memory_limit="50MB")


def test_json_is_one_array_of_plain_values(asked: Warehouse) -> None:
    statement = """
        SELECT 1 AS a, 2 AS a, NULL AS n, true AS yes, 1.50::DECIMAL(9, 2) AS d, 3::DECIMAL(9, 2) AS whole,
            'nan'::DOUBLE AS nan, '-inf'::DOUBLE AS inf, 170141183460469231731687303715884105727::HUGEINT AS huge,
            '\\x00\\xFF'::BLOB AS b, TIMESTAMPTZ '2026-11-18 12:00:00+09' AS t,
            TIMESTAMP '2026-11-18 12:00:00' AS local, DATE '2026-11-18' AS day,
             TIME '12:00' AS clock, INTERVAL 90 MINUTE AS span, uuid() IS NOT NULL AS u,
            [1, NULL] AS l, {'k': [1.5]} AS s, MAP {'x': 'y'} AS m, '{"j": [1]}'::JSON AS j, '日本' AS ja,
            '290000-01-01'::DATE AS far
    """
    assert json.loads(asked.run_sql(statement, "json").output) == [
        {
            "a": 1,
            "a_1": 2,
            "n": None,
            "yes": True,
            "d": 1.5,
            "whole": 3,
            "nan": None,
            "inf": None,
            "huge": 170141183460469231731687303715884105727,
            "b": "00ff",
            "t": "2026-11-18T03:00:00+00:00",
            "local": "2026-11-18T12:00:00",
            "day": "2026-11-18",
            "clock": "12:00:00",
            "span": "1:30:00",
            "u": True,
            "l": [1, None],
            "s": {"k": [1.5]},
            "m": {"x": "y"},
            "j": {"j": [1]},
            "ja": "日本",
            "far": "290000-01-01",
        }
    ]
    assert asked.run_sql("SELECT 1 WHERE false", "json").output == b"[]\n"
    assert asked.run_sql("SELECT '日本' AS x", "json").output == '[\n{"x": "日本"}\n]\n'.encode()


def test_csv_holds_no_formula_and_keeps_numbers(asked: Warehouse) -> None:
    texts = ["=1+1", "+1", "-1", "@A", "\tx", "\rx", "＝1", "plain", "a,b", 'q"q', "two\nlines", ""]
    values = ", ".join(f"({chr(39)}{text}{chr(39)}, -5, -1.5)" for text in texts)
    output = asked.run_sql(f'SELECT a, b, c, NULL AS "=n", [1] AS l FROM (VALUES {values}) t(a, b, c)', "csv").output
    rows = list(csv.reader(io.StringIO(output.decode(), newline="")))
    assert rows[0] == ["a", "b", "c", "'=n", "l"]
    assert [row[0] for row in rows[1:]] == ["'" + text for text in texts[:7]] + texts[7:]
    assert {tuple(row[1:]) for row in rows[1:]} == {("-5", "-1.5", "", "[1]")}
    assert asked.run_sql("SELECT '-inf'::DOUBLE AS x", "csv").output != b"x\n-inf\n"


def test_parquet_comes_back(asked: Warehouse, tmp_path: Path) -> None:
    file = tmp_path / "articles.parquet"
    file.write_bytes(asked.run_sql("SELECT article_id, published_at, topics FROM articles", "parquet").output)
    assert duckdb.execute(f"SELECT count(*) FROM '{file}'").fetchone() == (3,)


def test_a_table_is_aligned_and_moves_no_cursor(asked: Warehouse) -> None:
    output = asked.run_sql(
        "SELECT '日本' AS name, 1 AS n UNION ALL SELECT 'a' || chr(27) || '[31m' || chr(10) || 'b', 22 "
        "UNION ALL SELECT repeat('長', 500), 3 ORDER BY n"
    ).output.decode()
    lines = output.splitlines()
    assert len(lines) == 5
    assert "\x1b" not in output
    assert lines[2].startswith("日本 ")
    assert lines[3].rstrip().endswith("…  3")
    assert "a·[31m·b" in lines[4]
