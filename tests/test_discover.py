"""Feeds, sitemaps and listings as entries: saved ones with their answers beside them, damaged ones, hostile ones."""

from __future__ import annotations

import gzip
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliancewatch.discover import FeedDocument, candidates_of, read_feed, read_listing, read_sitemap
from alliancewatch.discover.document import plain_text
from alliancewatch.errors import UsageError

FEEDS = Path(__file__).parent / "feeds"
BASE = "https://wangan.example/rss/index.xml"
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def saved(name: str) -> bytes:
    return (FEEDS / name).read_bytes()


def read(body: bytes, **options: Any) -> FeedDocument:
    return read_feed(body, **{"base_url": BASE, "zone": "Asia/Tokyo", **options})


def as_json(document: FeedDocument) -> dict[str, Any]:
    return {
        "format": document.format,
        "title": document.title,
        "dropped": document.dropped,
        "problems": list(document.problems),
        "entries": [
            {
                "id": entry.id,
                "title": entry.title,
                "link": entry.link,
                "published_at": entry.published_at.isoformat() if entry.published_at else None,
                "published_raw": entry.published_raw,
                "summary": entry.summary,
            }
            for entry in document.entries
        ],
    }


def rss(items: str) -> bytes:
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>F</title>{items}</channel></rss>'.encode()


def item(number: int) -> str:
    return (
        f"<item><title>Story {number}</title><link>https://a.example/{number}</link>"
        f"<pubDate>Sun, 22 Nov 2026 18:30:00 JST</pubDate><description>{'word ' * 20}</description></item>"
    )


@pytest.mark.parametrize("name", ["rss_ja.xml", "atom_en.xml", "rdf_ja.xml", "broken_en.xml", "jsonfeed_en.feed.json"])
def test_a_saved_feed_reads_as_its_answer_says(name: str) -> None:
    expected = json.loads(saved(name.partition(".")[0] + ".json"))
    assert as_json(read(saved(name))) == expected


ENCODINGS = [
    ("utf-8-sig", "utf-8", None),
    ("utf-16", "utf-16", None),
    ("utf-16-le", "utf-16", None),
    ("cp932", "Shift_JIS", None),
    ("cp932", "Shift_JIS", "text/xml"),
    ("cp932", "utf-8", "text/xml; charset=Shift_JIS"),
    ("euc_jp", "EUC-JP", "text/xml"),
    ("euc_jp", "EUC-JP", "application/xml; charset=iso-8859-1"),
    ("iso2022_jp_ext", "ISO-2022-JP", None),
    ("utf-8", "Shift_JIS", "text/xml; charset=us-ascii"),
    ("utf-8", "unicode_escape", "text/xml; charset=rot13"),
]


@pytest.mark.parametrize(("codec", "declared", "content_type"), ENCODINGS)
def test_japanese_is_readable_whatever_is_declared(codec: str, declared: str, content_type: str | None) -> None:
    text = saved("rss_ja.xml").decode().replace('encoding="utf-8"', f'encoding="{declared}"')
    if codec in ("euc_jp", "iso2022_jp_ext"):
        text = text.replace("髙﨑㈱", "高崎")
    document = read(text.encode(codec), headers={"Content-Type": content_type} if content_type else {})
    assert document.entries[0].title == "日米同盟の抑止力、次官級で協議"
    assert (document.entries[1].title or "").endswith("も & 地元負担")
    if codec == "cp932":
        assert "髙﨑㈱" in (document.entries[1].title or "")


def test_gzip_is_undone() -> None:
    assert read(gzip.compress(saved("rdf_ja.xml"))).entries == read(saved("rdf_ja.xml")).entries
    assert not read(b"\x1f\x8b broken").is_feed


@pytest.mark.parametrize("name", ["rss_ja.xml", "atom_en.xml"])
def test_a_feed_cut_anywhere_keeps_whole_items(name: str) -> None:
    body = saved(name)
    whole = read(body).entries
    kept = set()
    for end in [*range(200, len(body), 37), len(body)]:
        document = read(body[:end])
        assert document.entries == whole[: len(document.entries)]
        kept.add(len(document.entries))
    assert kept == set(range(len(whole) + 1))


def test_a_cut_is_said() -> None:
    document = read(saved("atom_en.xml")[:700])
    assert document.problems == ("cut off: only whole items are kept",)
    assert (len(document.entries), document.dropped) == (1, 1)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "nothing in the body"),
        (b" \n ", "nothing in the body"),
        (b"<!doctype html><html><body><p>Login</p></body></html>", "an HTML page, not a feed"),
        (b"<html><head><title>rss</title></head><rss></rss>", "an HTML page, not a feed"),
        (saved("listing.html"), "an HTML page, not a feed"),
        (saved("news_sitemap.xml"), "a urlset, not a feed"),
        (b'{"error": 500}', "no feed in it: JSON of another kind"),
        (b'{"version": "https://jsonfeed.org/version/1", "items": ' + b"[" * 100_000, "no feed in it: JSON"),
        (b"%PDF-1.7 \x00\x01", "no feed in it"),
        (bytes(range(256)) * 50, "no feed in it"),
        (b"plain words", "no feed in it"),
    ],
)
def test_what_is_no_feed_says_so(body: bytes, problem: str) -> None:
    document = read(body)
    assert not document.is_feed
    assert document.entries == ()
    assert document.problems[-1].startswith(problem)


def test_an_empty_feed_is_a_feed() -> None:
    document = read(rss(""))
    assert document.is_feed
    assert (document.title, document.entries, document.problems) == ("F", (), ())


SECRET = "file-canary-content"


@pytest.mark.parametrize("codec", ["utf-8", "utf-16"])
@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE rss [<!ENTITY x SYSTEM "{file}">]>',
        '<!DOCTYPE rss [<!ENTITY % p SYSTEM "{file}"> %p;]>',
        '<!DOCTYPE rss SYSTEM "{file}">',
        '<!DOCTYPE rss [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY x "&b;&b;&b;&b;">]>',
        "<!DOCTYPE rss [<!ENTITY x '<item><title>smuggled</title></item>'>]>",
    ],
)
def test_no_entity_is_declared_read_or_multiplied(codec: str, doctype: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text(SECRET)
    text = f'<?xml version="1.0" encoding="{codec}"?>' + doctype.format(file=secret.as_uri())
    text += "<rss version='2.0'><channel><title>F</title><item><title>a &x; b</title></item></channel></rss>"
    document = read(text.encode(codec))
    assert [entry.title for entry in document.entries] == ["a &x; b"]
    assert SECRET not in str(document)


def test_a_feed_without_end_is_capped_and_said() -> None:
    body = rss("".join(map(item, range(20_000))))
    document = read(body, max_entries=100)
    assert [entry.title for entry in document.entries] == [f"Story {number}" for number in range(100)]
    assert document.dropped == 19_900
    assert document.problems == ("20,000 items: only the first 100 are read",)


HOSTILE = {
    "many items": rss("".join(map(item, range(60_000)))),
    "deep": rss("<item>" + "<a>" * 50_000 + "</a>" * 50_000 + "</item>"),
    "deep and broken": rss("</x><item>" + "<div>" * 30_000 + "</item>"),
    "attributes": rss("<item " + " ".join(f"a{n}='1'" for n in range(100_000)) + "/>"),
    "angles": rss("<" * 200_000),
    "ampersands": rss("<item><title>" + "&" * 500_000 + "</title></item>"),
    "cdata": rss("<item><title>" + "<![CDATA[" * 50_000),
    "comments": rss("<item>" + "<!--" * 100_000),
    "quotes": rss("<item " + "x=\"'" * 50_000),
    "comments in fields": rss(("<item><title>" + "&lt;!--" * 3_000 + "</title></item>") * 50),
    "one word": rss("<item><title>" + "a" * 5_000_000 + "</title></item>"),
}


@pytest.mark.parametrize("name", list(HOSTILE))
def test_a_hostile_feed_takes_little_time(name: str) -> None:
    started = time.process_time()
    document = read(HOSTILE[name])
    assert time.process_time() - started < 5
    assert len(document.entries) <= 2000


@given(st.binary(max_size=300))
def test_any_bytes_are_read(body: bytes) -> None:
    read(body)
    read(b"<rss><channel>" + body)
    read_sitemap(body)
    read_sitemap(b"<urlset><url>" + body)
    read_listing(body, base_url=BASE)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["rss_ja.xml", "atom_en.xml", "jsonfeed_en.feed.json", "news_sitemap.xml"]), st.data())
def test_a_feed_with_any_damage_is_read(name: str, data: st.DataObject) -> None:
    body = bytearray(saved(name))
    for _ in range(data.draw(st.integers(1, 5))):
        start = data.draw(st.integers(0, len(body) - 1))
        body[start : start + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=20))
    read(bytes(body))
    read_sitemap(bytes(body), base_url=BASE)


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("a &amp;amp; b", "a & b"),
        ("<b>日米</b>同盟", "日米同盟"),
        ("one<br>two<p>three", "one two three"),
        ("<script>alert(1)</script>title<style>p{}", "title"),
        ("&lt;img src=x onerror=alert(1)&gt;title", "title"),
        ("safe<!-- hidden -->text", "safe text"),
        ("1 < 2 > 0", "1 < 2 > 0"),
        ("a\u202eb\u200bc\x00d", "abcd"),
        ("か\u3099", "が"),
        (" \n ", None),
        (None, None),
        (7, None),
    ],
)
def test_fields_are_plain_text(markup: object, expected: str | None) -> None:
    assert plain_text(markup) == expected


def test_candidates_are_each_address_once() -> None:
    body = rss(
        "<item><title>A</title><link>https://a.example/1?utm_source=rss</link><guid>g1</guid></item>"
        "<item><title>A again</title><link>https://A.example/1#top</link><guid>g2</guid></item>"
        "<item><title>B</title><link>https://a.example/2</link><guid>g1</guid></item>"
        "<item><title>C</title><link>mailto:a@a.example</link></item>"
    )
    candidates = candidates_of("a", read(body), found_in=BASE, found_at=NOW)
    assert [(found.url, found.canonical_url, found.guid) for found in candidates] == [
        ("https://a.example/1?utm_source=rss", "https://a.example/1", "g1"),
        ("https://a.example/2", "https://a.example/2", "g1"),
    ]
    assert {(found.source_id, found.found_in, found.found_at) for found in candidates} == {("a", BASE, NOW)}


def test_a_news_sitemap() -> None:
    document = read_sitemap(saved("news_sitemap.xml"))
    assert document.format == "sitemap"
    assert [(entry.link, entry.title, entry.published_raw, entry.updated_raw) for entry in document.entries] == [
        (
            "https://kaikyo.example/a/100001?a=1&b=2",
            "辺野古、工事再開へ",
            "2026-11-22T06:00+09:00",
            "2026-11-23T01:00:00Z",
        ),
        ("https://kaikyo.example/about", None, "2026-11-01", "2026-11-01"),
    ]
    published = document.entries[0].published_at
    assert published is not None
    assert published.isoformat() == "2026-11-22T06:00:00+09:00"
    assert read_sitemap(gzip.compress(saved("news_sitemap.xml"))) == document


def test_a_sitemap_index() -> None:
    document = read_sitemap(saved("sitemap_index.xml"), base_url="https://kaikyo.example/sitemap.xml")
    assert document.format == "sitemapindex"
    assert document.children == ("https://kaikyo.example/news-1.xml.gz", "https://kaikyo.example/news-2.xml")


def test_a_damaged_sitemap_is_read_as_far_as_it_goes() -> None:
    whole = read_sitemap(saved("news_sitemap.xml")).entries
    cut = read_sitemap(saved("news_sitemap.xml")[:-30])
    assert cut.entries == whole
    assert cut.problems == ("not well-formed: read up to the mistake",)
    bare = read_sitemap(b"<urlset><url><loc>https://a.example/?a=1&b=2</loc></url></urlset>")
    assert [entry.link for entry in bare.entries] == ["https://a.example/?a=1&b=2"]
    many = read_sitemap(b"<urlset>" + b"<url><loc>https://a.example/1</loc></url>" * 50, max_entries=10)
    assert (len(many.entries), many.problems) == (10, ("only the first 10 addresses are read",))
    assert read_sitemap(saved("listing.html")).format is None


def test_a_listing_gives_its_article_links() -> None:
    document = read_listing(saved("listing.html"), base_url="https://www.strait.example/defence/")
    assert [(entry.link, entry.title) for entry in document.entries] == [
        ("https://www.strait.example/news/2026/11/22/radar-site-approved", "Town approves radar site after talks"),
        ("https://www.strait.example/world/us-japan-drill-opens-in-okinawa/", "Joint drill opens in Okinawa waters"),
        ("https://www.strait.example/articles/ASX12345.html", "日米共同訓練、九州で始まる"),
    ]


def test_a_selector_replaces_the_rule() -> None:
    document = read_listing(saved("listing.html"), base_url="https://www.strait.example/", selector="main h2")
    assert [entry.title for entry in document.entries][3:5] == ["Read", "Buy now and save your money"]
    assert len(document.entries) == 6
    with pytest.raises(UsageError, match="selector"):
        read_listing(b"<a href=x>y</a>", base_url=BASE, selector="h2[")


def test_a_hostile_listing_takes_little_time() -> None:
    started = time.process_time()
    read_listing(b"<a href='/2026/11/22/a-b-c-d'>one two three four</a>" * 30_000, base_url=BASE)
    read_listing(b"<div>" * 100_000 + b"<a href=/x>y", base_url=BASE)
    read_listing(b"<a href='" * 100_000, base_url=BASE)
    assert time.process_time() - started < 10
