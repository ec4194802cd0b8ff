"""The commands as a user meets them: real processes, exit codes, what is on stdout and what on stderr."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from homes import home_of

from alliancewatch.newsstand import Newsstand, write_sources
from alliancewatch.week import parse_week

PROGRAM = Path(sys.executable).with_name("alliancewatch")
SHARED = Path(__file__).parents[2] / "shared"
LOOPBACK = "127.0.0.1"
WEEK = parse_week("2026-W46")

ARTICLE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Allies agree on command links</title>
<link rel="canonical" href="https://paper.example/2026/11/{number}"></head>
<body><nav><a href="/">Home</a></nav><article>
<h1>Allies agree on command links, part {number}</h1>{paragraphs}</article>
<footer>All rights reserved.</footer></body></html>"""
PARAGRAPH = (
    "<p>The defense ministers of Japan and the United States said in Tokyo that the two forces will share "
    "{what}, and that the Japan-U.S. alliance will be ready for a Taiwan contingency.</p>"
)


def page(number: int = 1, *, ending: str = "") -> str:
    subjects = ("radar data", "fuel", "ports", "hangars", "maps", f"{number} more things{ending}")
    return ARTICLE.format(number=number, paragraphs="".join(PARAGRAPH.format(what=what) for what in subjects))


def run(
    *arguments: str | Path, home: Path, stdin: bytes = b"", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """One command in `home`; whatever it is given, it never shows a traceback."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ALLIANCEWATCH_", "PREFECT_"))}
    done = subprocess.run(
        [PROGRAM, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        cwd=home,
        env={**kept, "ALLIANCEWATCH_HOME": str(home), "ALLIANCEWATCH_WAREHOUSE_WAIT_S": "2", **environment},
        timeout=120,
        check=False,
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done


def lines(done: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def ask(home: Path, statement: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(run("sql", statement, "--format", "json", home=home).stdout)
    return rows


def test_help_shows_every_command_with_an_example(tmp_path: Path) -> None:
    overview = run("--help", home=tmp_path).stdout.decode()
    commands = ["init", "demo", "ingest", "import", "fetch", "feed", "clean", "classify", "digest", "sql", "sources"]
    assert all(f"  {command} " in overview for command in commands)
    for command in commands[:-1]:
        assert "Example:" in run(command, "--help", home=tmp_path).stdout.decode(), command
    assert run("--version", home=tmp_path).stdout.decode().strip()
    assert run("imprt", home=tmp_path).returncode == 2


def test_clean_has_the_keys_of_its_contract(tmp_path: Path) -> None:
    done = run("clean", "-", "--json", "--url", "https://paper.example/a", home=tmp_path, stdin=page().encode())
    assert done.returncode == 0
    (article,) = lines(done)
    assert article["title"] == "Allies agree on command links, part 1"
    assert [paragraph["kind"] for paragraph in article["paragraphs"]] == ["p"] * 6
    assert article["access"].keys() == {"status", "evidence", "remaining_chars", "total_chars"}
    assert {
        "standfirst",
        "byline",
        "published_at",
        "published_raw",
        "lang",
        "section",
        "captions",
        "author_bio",
    } <= article.keys()
    assert all(removal.keys() == {"text", "kind", "rule", "evidence"} for removal in article["removed"])
    assert "All rights reserved." in [removal["text"] for removal in article["removed"]]
    assert article["text"] == "\n\n".join(paragraph["text"] for paragraph in article["paragraphs"])
    explained = run("clean", "-", "--explain", home=tmp_path, stdin=page().encode()).stdout.decode()
    assert "cut   LEGAL" in explained
    assert explained.count("keep  p ") == 6


def test_classify_streams_and_names_a_bad_line(tmp_path: Path) -> None:
    records = [
        {"id": "a", "title": "Allies hold 2+2 in Tokyo", "text": "The U.S.-Japan alliance and the Senkaku Islands."},
        {"title": "Baseball", "text": "The Dodgers won."},
    ]
    stdin = "\n".join(map(json.dumps, records)).encode()
    first, second = lines(run("classify", "--json", home=tmp_path, stdin=stdin))
    assert (first["id"], first["relevance"], first["primary"]) == ("a", "relevant", "alliance-diplomacy")
    for topic in first["topics"]:
        for hit in topic["evidence"]:
            assert records[0][hit["field"]][hit["start"] : hit["end"]]
    assert (second["relevance"], second["topics"], second["primary"]) == ("irrelevant", [], None)
    bad = run("classify", "--json", home=tmp_path, stdin=b'{not json}\n{"id": NaN}\n' + b"[" * 99_999 + b"\n" + stdin)
    assert bad.returncode == 1
    assert len(lines(bad)) == 2
    said = bad.stderr.decode().splitlines()
    assert [line.partition(":")[0] for line in said[:3]] == ["line 1", "line 2", "line 3"]
    assert said[3] == "3 lines were left out, 2 are labelled"
    assert run("classify", home=tmp_path, stdin=b"{not json}\n").returncode == 2
    (odd,) = lines(run("classify", "--json", home=tmp_path, stdin=b'{"id": "\\ud800", "title": "x"}'))
    assert odd["id"] == "\ud800"


def test_what_is_no_address_or_no_home_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    assert run("clean", "-", "--url", "notaurl", home=tmp_path, stdin=page().encode()).returncode == 2
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "digest.yaml").write_text("recipient: [a@b.example]\n", "utf-8")
    saved = tmp_path / "PAGE.HTML.GZ"
    saved.write_bytes(gzip.compress(page().encode()))
    refused = run("import", saved, home=tmp_path)
    assert refused.returncode == 2
    assert b"did you mean `recipients`?" in refused.stderr
    assert not (tmp_path / "warehouse").exists()
    (tmp_path / "config" / "digest.yaml").unlink()
    assert run("import", saved, "--source", "imported", home=tmp_path).returncode == 0
    assert ask(tmp_path, "select source_id from articles") == [{"source_id": "imported"}]


def test_a_dry_run_and_a_home_that_is_named_leave_nothing_elsewhere(tmp_path: Path) -> None:
    home = tmp_path / "home"
    made = run("init", home=tmp_path, ALLIANCEWATCH_HOME=str(home))
    assert made.stdout.decode().splitlines()[0] == f"home: {home}"
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    with Newsstand(at=WEEK.end) as newsstand:
        write_sources(newsstand, home / "config" / "sources.yaml")
        settings = "fetch: {host_interval_s: 0, allow_addresses: [127.0.0.1]}\n"
        (home / "config" / "settings.yaml").write_text(settings, "utf-8")
        looked = run("ingest", "--dry-run", "--source", "harbor-times", home=home)
    assert looked.returncode == 0
    assert b"harbor-times\thttp" in looked.stdout
    assert [path.name for path in home.iterdir()] == ["config"]


def test_feed_takes_any_bytes(tmp_path: Path) -> None:
    rss = (
        "<rss version='2.0'><channel><title>News</title><item><title>One &amp; two</title><link>/1</link>"
        "<pubDate>Sun, 22 Nov 2026 09:00:00 JST</pubDate></item></channel></rss>"
    )
    done = run("feed", "-", "--url", "https://paper.example/rss", "--json", home=tmp_path, stdin=rss.encode())
    (feed,) = lines(done)
    assert feed.keys() == {"title", "entries", "dropped", "problems"}
    (entry,) = feed["entries"]
    assert entry["link"] == "https://paper.example/1"
    assert entry["published_at"] in ("2026-11-22T09:00:00+09:00", "2026-11-22T00:00:00+00:00")
    assert entry["published_raw"] == "Sun, 22 Nov 2026 09:00:00 JST"
    for body in (b"", b"\x00\xff" * 999, b"<html><body>Error</body></html>", rss.encode()[:90]):
        assert run("feed", "-", "--json", home=tmp_path, stdin=body).returncode == 0
    assert run("feed", "-", "--zone", "Asia/Tokio", home=tmp_path).returncode == 2


def test_fetch_says_what_came(tmp_path: Path) -> None:
    with Newsstand(at=WEEK.end - timedelta(hours=1)) as newsstand:
        story = newsstand.url_of("harbor-times", "north-korea-night-launch")
        (fetched,) = lines(run("fetch", story, "--json", home=tmp_path, ALLIANCEWATCH_FETCH_ALLOW_ADDRESSES=LOOPBACK))
        (blocked,) = lines(run("fetch", story, "--json", home=tmp_path))
        feed_url = newsstand.feed_url("harbor-times")
        (feed,) = lines(
            run(
                "fetch",
                feed_url,
                "--kind",
                "feed",
                "--json",
                home=tmp_path,
                ALLIANCEWATCH_FETCH_ALLOW_ADDRESSES=LOOPBACK,
            )
        )
        login = newsstand.addresses["asagiri-shimbun"] + "/articles/20261107-premium-interview.html"
        (wall,) = lines(run("fetch", login, "--json", home=tmp_path, ALLIANCEWATCH_FETCH_ALLOW_ADDRESSES=LOOPBACK))
    assert (fetched["outcome"], fetched["status"]) == ("ok", 200)
    assert fetched["text"].startswith("North Korea fired")
    assert fetched.keys() == {
        "url", "final_url", "outcome", "status", "content_type", "bytes", "charset", "reason", "retry_after_s",
        "elapsed_s", "title", "text",
    }  # fmt: skip
    assert blocked["outcome"] == "blocked"
    assert feed["entries"][0].keys() == {"id", "title", "link", "published_at", "published_raw", "summary"}
    assert (wall["outcome"], wall["reason"].split(":")[0]) == ("reject", "login")
    assert "text" not in wall


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with pages imported once from every kind of file."""
    from warcio.statusandheaders import StatusAndHeaders
    from warcio.warcwriter import WARCWriter

    home = tmp_path_factory.mktemp("home")
    saved = home / "saved" / "deeper"
    saved.mkdir(parents=True)
    (saved / "1.html").write_text(page(1), "utf-8")
    (saved / "2.html.gz").write_bytes(gzip.compress(page(2).encode()))
    (saved / "3.txt").write_text("Allies agree\n\n" + "\n\n".join(PARAGRAPH[3:-4].format(what=w) for w in "abcdef"))
    (saved / "same.html").write_text(page(1), "utf-8")
    (saved / "notes.md").write_text("no page")
    with (saved / "4.warc.gz").open("wb") as stream:
        writer = WARCWriter(stream, gzip=True)
        for url, body, status in (
            ("https://www.sankei.com/article/5/", page(5).replace("paper.example", "www.sankei.com"), "200 OK"),
            ("https://www.sankei.com/gone", "gone", "404 Not Found"),
        ):
            headers = StatusAndHeaders(status, [("Content-Type", "text/html; charset=utf-8")], protocol="HTTP/1.1")
            record = writer.create_warc_record(url, "response", payload=io.BytesIO(body.encode()), http_headers=headers)
            writer.write_record(record)
            record.raw_stream.close()
    done = run("import", home / "saved", "--json", "--fetched-at", "2026-11-18T09:00", home=home)
    (home / "first.jsonl").write_bytes(done.stdout)
    assert done.returncode == 1
    return home


def test_import_gives_each_page_one_outcome(imported: Path) -> None:
    outcomes = [json.loads(line) for line in (imported / "first.jsonl").read_text().splitlines()]
    assert [(Path(row["path"]).name, row["outcome"]) for row in outcomes] == [
        ("1.html", "stored"),
        ("2.html.gz", "stored"),
        ("3.txt", "stored"),
        ("4.warc.gz#1", "stored"),
        ("4.warc.gz#2", "rejected"),
        ("same.html", "unchanged"),
    ]
    assert {row["source_id"] for row in outcomes} == {"imported", "sankei"}


def test_importing_again_adds_nothing(imported: Path) -> None:
    count = (
        "select (select count(*) from articles) as a, (select count(*) from revisions) as r, "
        "(select count(*) from removed) as m, (select count(*) from labels) as l, (select count(*) from captures) as c"
    )
    before = ask(imported, count)
    again = run("import", imported / "saved", "--ack", "--fetched-at", "2026-11-18T09:00", home=imported)
    assert [line.split()[0] for line in again.stdout.decode().splitlines()] == ["ACK"] * 5
    assert ask(imported, count) == before


def test_the_digest_of_the_week_of_fetched_at_shows_them_and_is_built_again_to_the_byte(imported: Path) -> None:
    first, second = imported / "d1", imported / "d2"
    assert run("digest", "--week", "2026-W47", "--out", first, home=imported).returncode == 0
    text = (first / "digest.txt").read_text("utf-8")
    assert "Allies agree on command links, part 2" in text
    run("import", imported / "saved", "--fetched-at", "2026-11-24T09:00", home=imported)
    assert run("digest", "--week", "2026-W47", "--out", second, home=imported).returncode == 0
    for name in ("digest.html", "digest.txt", "digest.json", "digest.eml"):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    built = ask(imported, "select week, item_count, parts from digests where week = '2026-W47'")
    assert len(built) == 2
    assert built[0] == built[1]


def test_a_stated_as_of_shows_what_the_warehouse_held_then(imported: Path) -> None:
    held_at = ask(imported, "select max(recorded_at) as t from revisions")[0]["t"]
    run("digest", "--week", "2026-W47", "--as-of", held_at, "--out", imported / "d3", home=imported)
    (imported / "late.html").write_text(page(77), "utf-8")
    done = run("import", imported / "late.html", "--fetched-at", "2026-11-19T09:00", home=imported)
    assert done.returncode == 0
    run("digest", "--week", "2026-W47", "--as-of", held_at, "--out", imported / "d4", home=imported)
    assert (imported / "d3" / "digest.html").read_bytes() == (imported / "d4" / "digest.html").read_bytes()
    run("digest", "--week", "2026-W47", "--out", imported / "d5", home=imported)
    assert "part 77" in (imported / "d5" / "digest.txt").read_text("utf-8")


def test_an_edit_is_a_revision(tmp_path: Path) -> None:
    saved = tmp_path / "a.html"
    outcomes = []
    for ending in ("", " and one correction", " and one correction"):
        saved.write_text(page(9, ending=ending), "utf-8")
        outcomes += lines(run("import", saved, "--json", home=tmp_path))
    assert [(row["outcome"], row["revision"]) for row in outcomes] == [("stored", 1), ("revised", 2), ("unchanged", 2)]
    assert len({row["article_id"] for row in outcomes}) == 1


@pytest.mark.parametrize(
    ("name", "start"), [("table", b"answer"), ("csv", b"answer"), ("json", b"["), ("parquet", b"PAR1")]
)
def test_sql_prints_in_four_formats(imported: Path, name: str, start: bytes) -> None:
    done = run("sql", "select 42 as answer", "--format", name, home=imported)
    assert done.returncode == 0
    assert done.stdout.startswith(start)


@pytest.mark.parametrize(
    "statement",
    [
        "drop view articles",
        "insert into article select * from article",
        "copy articles to 'x.csv'",
        "attach 'x.duckdb'",
        "from read_csv('/etc/passwd')",
        "set memory_limit = '9GB'",
        "selec 1",
    ],
)
def test_sql_only_reads(imported: Path, statement: str) -> None:
    done = run("sql", statement, home=imported)
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.startswith(b"error: ")


def test_init_makes_a_home_and_keeps_what_is_there(tmp_path: Path) -> None:
    assert run("init", "watch", home=tmp_path).returncode == 0
    settings = tmp_path / "watch" / "config" / "settings.yaml"
    settings.write_text("fetch: {contact: me@example.org}\n")
    assert run("init", "watch", home=tmp_path).returncode == 0
    assert "me@example.org" in settings.read_text()
    assert len(list((tmp_path / "watch" / "config").iterdir())) == 5
    (tmp_path / "file").touch()
    assert run("init", "file", home=tmp_path).returncode == 2


def test_sources_are_listed(tmp_path: Path) -> None:
    on = lines(run("sources", "list", "--json", home=tmp_path))
    every = lines(run("sources", "list", "--all", "--json", home=tmp_path))
    assert len(every) == 117
    assert on == [source for source in every if source["enabled"]]
    assert "okinawa-times" in run("sources", "list", home=tmp_path).stdout.decode()


def test_a_dry_run_lists_what_is_due_and_stores_nothing(tmp_path: Path) -> None:
    with Newsstand(at=WEEK.end) as newsstand:
        config = home_of(newsstand, tmp_path / "home")
        done = run("ingest", "--dry-run", "--json", "--source", "harbor-times", home=config.home)
        assert done.returncode == 0
        assert len(lines(done)) > 5
        assert {request.target for request in newsstand.requests} == {"/robots.txt", "/feed/topstories/"}
    assert not config.snapshot_path.exists()
    assert not config.warehouse_path.exists() or ask(config.home, "from captures") == []


# Mistakes


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["import", "nothing.html"], 2, "no such file"),
        (["import", "."], 2, "nothing to import"),
        (["import", "notes.md"], 2, "not a kind of file"),
        (["import", "page.html", "--url", "not an address"], 2, "not a web address"),
        (["import", "page.html", "--source", "sankey"], 2, "did you mean `sankei`?"),
        (["import", "page.html", "--fetched-at", "yesterday"], 2, "expected ISO 8601"),
        (["import", "noise.html"], 1, "undecodable"),
        (["import", "broken.html.gz"], 1, "not a whole gzip file"),
        (["import", "broken.warc"], 1, "rejected"),
        (["clean", "nothing.html"], 1, "cannot read"),
        (["clean", "noise.html", "--json"], 1, "undecodable"),
        (["clean", "page.html", "--config", "typo"], 2, "did you mean `deadline_s`?"),
        (["fetch", "not an address"], 2, "not a web address"),
        (["fetch", "https://a.example", "--kind", "pdf"], 2, "expected `page` or `feed`"),
        (["ingest", "--source", "sankey"], 2, "did you mean `sankei`?"),
        (["ingest", "--since", "soon"], 2, "expected ISO 8601"),
        (["digest", "--week", "2026-47"], 2, "such as 2026-W47"),
        (["digest", "--week", "2027-W53"], 2, "no such ISO week"),
        (["digest", "--week", "2999-W01"], 2, "has not begun"),
        (["sql", "select 1"], 1, "no warehouse"),
        (["sql", "select 1", "--config", "nowhere"], 2, "no config folder"),
        (["sql", "select 1", "--config", "typo"], 2, "did you mean `deadline_s`?"),
        (["clean", "page.html", "--config", "regex"], 2, "boilerplate.yaml:"),
        (["demo", "--keep", "."], 2, "not an empty folder"),
    ],
)
def test_a_mistake_is_one_clear_line(tmp_path: Path, arguments: list[str], code: int, says: str) -> None:
    (tmp_path / "page.html").write_text(page(), "utf-8")
    (tmp_path / "noise.html").write_bytes(bytes(range(128, 256)) * 40 + os.urandom(4000))
    (tmp_path / "broken.html.gz").write_bytes(gzip.compress(page().encode())[:200])
    (tmp_path / "broken.warc").write_bytes(b"WARC/1.0\r\nnonsense")
    (tmp_path / "notes.md").touch()
    for folder, name, text in (
        ("typo", "settings.yaml", "fetch:\n  deadline: 1\n"),
        ("regex", "boilerplate.yaml", _with_bad_regex()),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(text, "utf-8")
    if arguments == ["import", "."]:
        for path in list(tmp_path.glob("*.*")):
            path.unlink()
    done = run(*arguments, home=tmp_path)
    assert done.returncode == code, done.stderr.decode()
    assert says in done.stderr.decode()


def _with_bad_regex() -> str:
    from alliancewatch.resources import resource

    text = resource("config", "boilerplate.yaml").read_text("utf-8")
    start = text.index("patterns:\n") + len("patterns:\n")
    indent = text[start:].split("- ", 1)[0]
    return text[:start] + f"{indent}- 'a(b'\n" + text[start:]


def test_a_busy_warehouse_is_try_later_and_a_damaged_one_is_kept(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(page(), "utf-8")
    assert run("import", "page.html", home=tmp_path).returncode == 0
    warehouse = tmp_path / "warehouse" / "alliancewatch.duckdb"
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import duckdb; c = duckdb.connect({str(warehouse)!r}); print('held', flush=True); input()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    try:
        busy = run("import", "page.html", home=tmp_path, ALLIANCEWATCH_WAREHOUSE_WAIT_S="0.5")
        assert busy.returncode == 75
        assert "in use" in busy.stderr.decode()
        assert ask(tmp_path, "select count(*) as n from articles") == [{"n": 1}]
    finally:
        holder.communicate(b"\n")
    damaged = b"not a database" * 9999
    warehouse.write_bytes(damaged)
    broken = run("import", "page.html", home=tmp_path)
    assert broken.returncode == 1
    assert "damaged" in broken.stderr.decode()
    assert warehouse.read_bytes() == damaged


@pytest.mark.skipif(not (SHARED / "seeds").is_dir(), reason="../shared is not here")
def test_the_five_seeds(tmp_path: Path) -> None:
    stored = lines(run("import", SHARED / "seeds", "--fetched-at", "2021-03-17T12:00+09:00", "--json", home=tmp_path))
    assert [row["outcome"] for row in stored] == ["stored"] * 5
    assert {row["primary_topic"] for row in ask(tmp_path, "from articles")} == {"alliance-diplomacy"}
    assert {row["access"] for row in ask(tmp_path, "from articles")} == {"full"}
    run("digest", "--week", "2021-W11", "--out", "d", home=tmp_path)
    assert "to single out China at '2-plus-2' meeting" in (tmp_path / "d" / "digest.txt").read_text("utf-8")
    assert json.loads((tmp_path / "d" / "digest.json").read_text("utf-8"))["counts"]["shown"] == 5


@pytest.mark.skipif(not (SHARED / "data" / "pages").is_dir(), reason="../shared is not here")
def test_a_hundred_real_pages(tmp_path: Path) -> None:
    import shutil

    (tmp_path / "pages").mkdir()
    for path in sorted((SHARED / "data" / "pages").rglob("*.html.gz"))[::12][:100]:
        shutil.copyfile(path, tmp_path / "pages" / path.name)
    first = lines(run("import", "pages", "--json", home=tmp_path))
    again = lines(run("import", "pages", "--json", home=tmp_path))
    assert len(first) == len(again) == 100
    assert sum(row["outcome"] == "stored" for row in first) >= 95
    assert {row["outcome"] for row in again} <= {"unchanged", "not_article", "walled", "rejected"}
    assert ask(tmp_path, "select count(*) as n from revisions")[0]["n"] == sum(r["outcome"] == "stored" for r in first)
