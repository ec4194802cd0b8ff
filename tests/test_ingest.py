"""Ingest runs over the newsstand: real HTTP, a real warehouse, no Prefect. Answers are the newsstand's own."""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest
from homes import home_of, ingest_at
from warcio.archiveiterator import ArchiveIterator

from alliancewatch.fetch import Fetcher
from alliancewatch.ingest import Interpreter, choose_due, side_by_side, source_of, tally
from alliancewatch.lease import hold_lease
from alliancewatch.model import (
    Candidate,
    CandidateOutcome,
    Capture,
    FetchOutcome,
    Outcome,
    Poll,
    article_id_of,
)
from alliancewatch.newsstand import Newsstand, all_expected, expected
from alliancewatch.runs import IngestRun, import_pages, interpreter_of, new_run, open_warehouse
from alliancewatch.settings import Config, IngestSettings, load_config
from alliancewatch.urls import canonical_url
from alliancewatch.warehouse import KnownUrl, Warehouse
from alliancewatch.week import parse_week

W45, W46, W47 = parse_week("2026-W45"), parse_week("2026-W46"), parse_week("2026-W47")
MIDWEEK, END = W45.start + timedelta(days=3, hours=12), W47.end - timedelta(hours=1)
LOOKS = (MIDWEEK, W45.end - timedelta(hours=1), W46.end - timedelta(hours=1), W47.start + timedelta(days=3), END)

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, dict[str, str], list[dict[str, int]]]:
    """Three weeks of the newsstand, looked at five times: config, outlet addresses, counts of each run."""
    with Newsstand(at=MIDWEEK) as newsstand:
        config = home_of(newsstand, tmp_path_factory.mktemp("home"))
        counts = [dict(ingest_at(config, newsstand, at).counts) for at in LOOKS]
        return config, newsstand.addresses, counts


@pytest.fixture(scope="module")
def ask(watched: tuple[Config, dict[str, str], list[dict[str, int]]]) -> Callable[[str], Rows]:
    warehouse = open_warehouse(watched[0])
    return lambda statement: json.loads(warehouse.run_sql(statement, "json").output)


def test_every_story_ends_as_its_answer_says(
    watched: tuple[Config, dict[str, str], list[dict[str, int]]], ask: Callable[[str], Rows]
) -> None:
    _, addresses, _ = watched
    outcomes = {row["url"]: row for row in ask("from outcomes where run_id = (select max(run_id) from runs)")}
    articles = {row["url"]: row for row in ask("from articles")}
    fetched = {row["url"]: row["at"] for row in ask("select url, max(fetched_at) as at from captures group by url")}
    answers = all_expected(END)
    assert len(answers) > 80
    for latest in answers:
        url = addresses[latest.outlet_id] + latest.path
        answer = latest
        if latest.outcome == "stored":  # and not looked at again for ever
            answer = expected(latest.outlet_id, latest.slug, datetime.fromisoformat(fetched[url])) or latest
        if answer.outcome == "stored":
            article = articles[canonical_url(url) or url]
            text = re.sub(r"\s+", "", article["text"])
            assert all(re.sub(r"\s+", "", paragraph.text) in text for paragraph in answer.paragraphs), url
            assert article["title"] == " ".join(answer.title.split()), url  # the cleaner makes every space a space
            assert article["access"] == answer.access, url
            assert article["remaining_chars"] == answer.remaining_chars, url
        elif answer.outlet_id != "kanto-signal" and url in outcomes:
            assert outcomes[url]["outcome"] == answer.outcome, url
            assert outcomes[url]["reason"], url


def test_counts_add_up_to_candidates(
    watched: tuple[Config, dict[str, str], list[dict[str, int]]], ask: Callable[[str], Rows]
) -> None:
    _, _, counts = watched
    stored = ask("select run_id, count(*) as n, count(distinct url) as urls from outcomes group by all order by run_id")
    assert [row["n"] for row in stored] == [sum(run.values()) for run in counts]
    assert all(row["n"] == row["urls"] for row in stored)


def test_an_edited_page_is_a_revision_and_a_dead_feed_stops_nobody(
    watched: tuple[Config, dict[str, str], list[dict[str, int]]], ask: Callable[[str], Rows]
) -> None:
    config, _, counts = watched
    assert sum(run.get("revised", 0) for run in counts) >= 2
    assert ask("select max(revision) as n from revisions")[0]["n"] >= 2
    dead = ask("select distinct outcome from polls where source_id = 'kanto-signal'")
    assert dead == [{"outcome": "retry"}]
    assert not open_warehouse(config).run_checks()


def test_an_address_with_tracking_is_the_same_article(ask: Callable[[str], Rows]) -> None:
    with Newsstand(at=END) as newsstand, urlopen(newsstand.feed_url("harbor-times")) as feed:
        assert b"utm_" in feed.read()
    assert ask("select count(*) as n from articles where url like '%utm_%'") == [{"n": 0}]
    assert ask("select count(*) as n from articles group by text having n > 1 and count(distinct source_id) = 1") == []


def test_every_kept_block_has_a_place_and_every_cut_a_reason(ask: Callable[[str], Rows]) -> None:
    assert ask("select count(*) as n from removed")[0]["n"] > 500
    assert ask("select * from removed where kind = '' or rule = '' or evidence = ''") == []


def test_a_second_run_at_once_finds_nothing_due(tmp_path: Path) -> None:
    with Newsstand(at=MIDWEEK) as newsstand:
        config = home_of(newsstand, tmp_path / "home")
        first = ingest_at(config, newsstand, MIDWEEK)
        asked = len(newsstand.requests)
        second = ingest_at(config, newsstand, MIDWEEK)
    assert first.counts
    assert second.counts == ()
    again = newsstand.requests[asked:]
    assert {request.status for request in again if "robots" not in request.target} <= {200, 304, 500}
    assert any(request.status == 304 for request in again)


def test_every_answer_is_archived_and_indexed(tmp_path: Path) -> None:
    with Newsstand(at=MIDWEEK) as newsstand:
        config = home_of(newsstand, tmp_path / "home")
        for instant in (MIDWEEK, MIDWEEK + timedelta(hours=1)):
            ingest_at(config, newsstand, instant)
        asked = Counter((request.target, request.status) for request in newsstand.requests)
    warehouse = open_warehouse(config)
    assert not warehouse.run_checks()
    rows = json.loads(warehouse.run_sql("from exchanges", "json").output)
    answered = Counter((urlsplit(row["url"]).path + _query(row["url"]), row["status"]) for row in rows)
    assert answered == asked
    assert {200, 304, 500} <= {status for _, status in asked}
    assert {row["kind"] for row in rows} == {"page", "feed", "robots"}

    kept: dict[tuple[str, int], Any] = {}
    for path in (config.home / "archive").rglob("*.warc.gz"):
        with path.open("rb") as stream:
            records = ArchiveIterator(stream)
            for record in records:
                body = record.content_stream().read()
                place = path.relative_to(config.home / "archive").as_posix(), records.get_record_offset()
                kept[place] = record.rec_type, record.rec_headers, body
    by_id = {row["exchange_id"]: row for row in rows if row["exchange_id"]}
    for row in rows:
        kind, headers, body = kept[row["warc_file"], row["warc_offset"]]
        if row["same_as"]:
            first = by_id[row["same_as"]]
            assert kind == "revisit"
            kind, first_headers, body = kept[first["warc_file"], first["warc_offset"]]
            assert headers["WARC-Payload-Digest"] == first_headers["WARC-Payload-Digest"]
        assert kind == ("revisit" if row["status"] == 304 else "response")
        assert sha256(body).hexdigest() == row["body_sha256"]
        assert (headers["WARC-Truncated"] is None) == row["is_whole"]
    assert any(row["same_as"] for row in rows if row["kind"] == "robots")
    assert all(row["body_bytes"] for row in rows if row["kind"] == "feed" and row["status"] == 200)


def _query(url: str) -> str:
    return f"?{query}" if (query := urlsplit(url).query) else ""


def test_a_page_that_is_imported_twice_in_a_run_ends_twice(tmp_path: Path) -> None:
    page = (Path(__file__).parent / "pages" / "full-en.html").read_bytes()
    files = [tmp_path / "first.html", tmp_path / "second.html"]
    for file in files:
        file.write_bytes(page)
    config = load_config({"ALLIANCEWATCH_INGEST_BATCH_SIZE": "1"}, cwd=tmp_path, home=tmp_path / "home")
    ended = [page.result.outcome for page in import_pages(config, files, clock=lambda: MIDWEEK)]
    warehouse = open_warehouse(config)
    assert ended == [Outcome.STORED, Outcome.UNCHANGED]
    rows = json.loads(warehouse.run_sql("select outcome, found_in from outcomes order by found_in", "json").output)
    assert [(row["outcome"], row["found_in"]) for row in rows] == list(zip(ended, map(str, files), strict=True))
    assert warehouse.run_checks() == []


def test_the_captures_of_an_import_are_left_to_it_while_it_goes_on(tmp_path: Path) -> None:
    with Newsstand(at=MIDWEEK) as newsstand:
        config = home_of(newsstand, tmp_path / "home")
        warehouse = open_warehouse(config)
        imported = new_run("import", interpreter_of(config).versions, MIDWEEK)
        page = Capture("imported", "https://x.example/a", "", MIDWEEK, None, "text/html", (), b"<p>nothing</p>")
        warehouse.ensure()
        warehouse.begin_run(imported, configs={}, sources=[], recorded_at=MIDWEEK)
        warehouse.append_saved(imported.run_id, [page], recorded_at=MIDWEEK)
        with hold_lease(config.home, "import"):
            ingest_at(config, newsstand, MIDWEEK)
            assert [capture.url for capture in warehouse.pending_captures()] == [page.url]
        ingest_at(config, newsstand, MIDWEEK)
    assert not warehouse.pending_captures()
    assert not warehouse.run_checks()


def test_a_killed_run_is_finished_by_the_next(tmp_path: Path) -> None:
    with Newsstand(at=MIDWEEK) as newsstand:
        config = home_of(newsstand, tmp_path / "home")
        came = _killed_before_interpreting(config)
        report = ingest_at(config, newsstand, MIDWEEK)
    assert came > 0
    assert sum(count for _, count in report.counts) == came
    assert not open_warehouse(config).run_checks()


def _killed_before_interpreting(config: Config) -> int:
    came = 0
    with contextlib.suppress(KeyboardInterrupt), IngestRun(config, clock=lambda: MIDWEEK) as run:
        run.poll()
        came = run.fetch()
        raise KeyboardInterrupt
    return came


def test_a_mistake_of_ours_quarantines_one_page_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Newsstand(at=MIDWEEK) as newsstand:
        config = home_of(newsstand, tmp_path / "home")
        interpreter = interpreter_of(config)
        broken = replace(interpreter, classifier=_BrokenOnce(interpreter.classifier))  # type: ignore[arg-type]
        monkeypatch.setattr("alliancewatch.runs.interpreter_of", lambda _: broken)
        counts = dict(ingest_at(config, newsstand, MIDWEEK).counts)
    assert counts["quarantined"] == 1
    assert counts["stored"] > 3
    warehouse = open_warehouse(config)
    (row,) = (
        warehouse.run_sql("select trace, capture_id from outcomes where outcome = 'quarantined'", "json")
        .output.decode()
        .splitlines()[1:-1]
    )
    assert "ZeroDivisionError" in row


class _BrokenOnce:
    """A classifier with a mistake that the first text meets."""

    def __init__(self, sound: Any) -> None:
        self._sound = sound
        self._is_broken = True
        self.version = sound.version

    def classify(self, *arguments: Any) -> Any:
        if self._is_broken:
            self._is_broken = False
            raise ZeroDivisionError("one article")
        return self._sound.classify(*arguments)


def test_a_headline_only_source_is_never_fetched(tmp_path: Path) -> None:
    with Newsstand(at=END) as newsstand:
        config = home_of(newsstand, tmp_path / "home")
        path = config.home / "config" / "sources.yaml"
        path.write_text(path.read_text("utf-8").replace("mode: full", "mode: headline_only"), "utf-8")
        ingest_at(config, newsstand, END, "harbor-times")
        asked = {request.target.partition("?")[0] for request in newsstand.requests}
        again = ingest_at(config, newsstand, END + timedelta(days=2), "harbor-times")
    assert asked == {"/robots.txt", "/feed/"} or all("/news/" not in target for target in asked)
    rows = open_warehouse(config).run_sql("select distinct access, source_id from articles", "csv").output.decode()
    assert rows.splitlines()[1:] == ["teaser,harbor-times"]
    assert dict(again.counts).keys() <= {"unchanged"}


# The pure steps


def candidate(url: str, **changes: Any) -> Candidate:
    values: dict[str, Any] = {
        "source_id": "s", "url": url, "canonical_url": url, "found_in": "feed", "found_at": END, **changes,
    }  # fmt: skip
    return Candidate(**values)


def known(url: str, first_days_ago: float, last_hours_ago: float) -> dict[str, KnownUrl]:
    first, last = END - timedelta(days=first_days_ago), END - timedelta(hours=last_hours_ago)
    return {url: KnownUrl(url, first_fetched_at=first, last_fetched_at=last, etag=None, last_modified=None)}


@pytest.mark.parametrize(
    ("state", "is_due"),
    [
        ({}, True),
        (known("http://a/1", 1, 23.9), False),
        (known("http://a/1", 1, 24), True),
        (known("http://a/1", 7.1, 48), False),
    ],
)
def test_known_articles_are_looked_at_again_while_young(state: dict[str, KnownUrl], is_due: bool) -> None:
    due = choose_due([candidate("http://a/1")], state, IngestSettings(), now=END)
    assert bool(due) is is_due


def test_since_leaves_out_what_is_dated_before() -> None:
    old, new, undated = (
        candidate("http://a/1", published_at=END - timedelta(days=2)),
        candidate("http://a/2", published_at=END),
        candidate("http://a/3"),
    )
    assert choose_due([old, new, undated], {}, IngestSettings(), now=END, since=END) == [new, undated]


def test_a_source_has_a_share_of_a_run() -> None:
    many = [candidate(f"http://a/{number}") for number in range(9)]
    assert len(choose_due(many, {}, IngestSettings(max_pages_per_source=4), now=END)) == 4


def test_lanes_run_side_by_side_and_each_in_order() -> None:
    items = [(lane, number) for number in range(5) for lane in "abc"]
    results = list(side_by_side(lambda item: item, items, lane=lambda item: item[0], workers=3))
    assert sorted(results) == sorted(items)
    for lane in "abc":
        assert [number for name, number in results if name == lane] == list(range(5))


def test_a_tally_has_one_line_a_source_with_each_reason_once() -> None:
    polls = [Poll("b", "u", END, FetchOutcome.RETRY, "no answer"), Poll("a", "u", END, FetchOutcome.OK, "fetched")]
    outcomes = [
        CandidateOutcome("a", "1", Outcome.STORED, "new", capture_id="c"),
        CandidateOutcome("a", "2", Outcome.REJECTED, "too large"),
        CandidateOutcome("a", "3", Outcome.REJECTED, "too large"),
    ]
    first, second = tally(polls, outcomes)
    assert (first.source_id, first.new, first.fetched, first.failed, first.reasons) == ("a", 1, 1, 2, ("too large",))
    assert (second.source_id, second.failed, second.reasons) == ("b", 1, ("no answer",))


@pytest.fixture(scope="module")
def interpreter(tmp_path_factory: pytest.TempPathFactory) -> Interpreter:
    from alliancewatch.settings import load_config

    folder = tmp_path_factory.mktemp("empty")
    return interpreter_of(load_config({}, cwd=folder, home=folder))


PAGE = """<html lang=en><head><title>A</title><link rel=canonical href="{canonical}"></head>
<body><article><h1>Allies meet in Tokyo</h1>{paragraphs}</article></body></html>"""
PARAGRAPHS = "".join(
    f"<p>Sentence number {n} of the report says what the ministers of the two countries agreed.</p>" for n in range(8)
)


@pytest.mark.parametrize(
    ("fetched", "stated", "identity"),
    [
        ("https://a.example/news/1?utm_source=x", "https://a.example/news/1", "https://a.example/news/1"),
        ("https://a.example/news/1", "https://a.example/", "https://a.example/news/1"),
        ("https://a.example/news/1", "https://other.example/news/1", "https://a.example/news/1"),
        ("", "https://a.example/news/1", "https://a.example/news/1"),
        ("", "", "urn:sha256:0"),
    ],
)
def test_an_article_is_known_by_its_canonical_address(
    interpreter: Interpreter, fetched: str, stated: str, identity: str
) -> None:
    body = PAGE.format(canonical=stated, paragraphs=PARAGRAPHS).encode()
    capture = Capture("imported", fetched or "urn:sha256:0", fetched, END, 200, "text/html", (), body)
    labelled = interpreter.interpret(capture)
    assert not isinstance(labelled, CandidateOutcome)
    assert labelled.article.url == identity
    assert labelled.article_id == article_id_of(identity)


def test_a_saved_page_finds_its_source_by_host(interpreter: Interpreter) -> None:
    assert source_of("https://www.sankei.com/a", None, interpreter.sources) == "sankei"
    assert source_of(None, None, interpreter.sources) == "imported"
    assert source_of("https://www.sankei.com/a", "japan-forward", interpreter.sources) == "japan-forward"
    body = PAGE.format(canonical="https://www.sankei.com/article/1/", paragraphs=PARAGRAPHS).encode()
    labelled = interpreter.interpret(Capture("imported", "urn:x", "", END, None, "text/html", (), body))
    assert labelled.source_id == "sankei"


def test_the_feed_supplies_what_the_page_lacks(interpreter: Interpreter) -> None:
    body = f"<html><body><article>{PARAGRAPHS}</article></body></html>".encode()
    offered = candidate("https://a.example/1", title="From the feed", published_at=END, published_raw="today")
    capture = Capture("s", offered.url, offered.url, END, 200, "text/html", (), body, offered)
    labelled = interpreter.interpret(capture)
    assert not isinstance(labelled, CandidateOutcome)
    assert labelled.article.title == "From the feed"
    assert labelled.article.published_at == END
    assert ("title", "feed") in labelled.article.provenance


def test_one_bad_feed_ends_as_a_poll_and_no_more(tmp_path: Path) -> None:
    with Newsstand(at=END) as newsstand:
        config = home_of(newsstand, tmp_path / "home")
        report = ingest_at(config, newsstand, END, "kanto-signal")
    assert report.failed
    (line,) = report.sources
    assert line.reasons == ("server error: 500 Internal Server Error",)
    assert isinstance(open_warehouse(config), Warehouse)
    with Fetcher(config.settings.fetch, clock=lambda: datetime.now(UTC)) as fetcher:
        assert fetcher.fetch(newsstand.feed_url("kanto-signal")).outcome is FetchOutcome.RETRY  # it is closed by now
