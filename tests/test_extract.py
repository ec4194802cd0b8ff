"""Pages and scraped texts in, articles out: saved pages with their answers, the five seeds, and the invariants."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliancewatch.extract import blocks_of, clean_page, decode, extract_article, extract_text, page_blocks
from alliancewatch.model import AccessStatus, Article

PAGES = Path(__file__).parent / "pages"
SEEDS = Path(__file__).parents[2] / "shared" / "seeds"

needs_seeds = pytest.mark.skipif(not SEEDS.is_dir(), reason="the seed articles are not beside this checkout")


def answers() -> list[Any]:
    return [pytest.param(path, id=path.stem) for path in sorted(PAGES.glob("*.json"))]


def page_of(answer: Path) -> bytes:
    return next(path for path in answer.parent.glob(f"{answer.stem}.*") if path != answer).read_bytes()


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


@pytest.mark.parametrize("path", answers())
def test_saved_page_gives_its_answer(path: Path) -> None:
    answer = json.loads(path.read_text("utf-8"))
    page = clean_page(page_of(path), answer.get("url"), zone="Asia/Tokyo")
    article = page.article
    assert (page.verdict, article.access.status.value) == (answer["verdict"], answer["status"]), page.reason
    assert page.reason.startswith(answer.get("reason", ""))
    for field in ("title", "standfirst", "section", "author_bio", "lang"):
        if field in answer:
            assert getattr(article, field) == answer[field], field
    if "byline" in answer:
        assert list(article.byline) == answer["byline"]
    if "published_at" in answer:
        assert article.published_at is not None
        assert article.published_at.astimezone(UTC).isoformat() == answer["published_at"]
    for paragraph in answer.get("keep", ()):
        assert paragraph in [kept.text for kept in article.paragraphs]
    if "captions" in answer:
        assert list(article.captions) == answer["captions"]
    kinds = {removal.text: removal.kind for removal in article.removed}
    for text, kind in answer.get("cut", {}).items():
        assert text in kinds
        assert kind is None or kinds[text] == kind, text
    for field in ("remaining_chars", "total_chars"):
        assert getattr(article.access, field) == answer.get(field)


@pytest.mark.parametrize("path", answers())
def test_kept_and_cut_are_the_page(path: Path) -> None:
    body = page_of(path)
    assert blocks_of(extract_article(body)) == Counter(page_blocks(body))


@pytest.mark.parametrize("path", answers())
def test_cleaning_what_was_cleaned_keeps_it(path: Path) -> None:
    page = clean_page(page_of(path))
    if page.verdict == "article":
        assert_cleaning_again_keeps_all(page.article)


def assert_cleaning_again_keeps_all(article: Article) -> None:
    again = extract_article(f"{article.title or ''}\n\n{article.text}".encode())
    kept = [*([again.title] if again.title else []), *again.text.split("\n\n")]
    assert kept == [*([article.title] if article.title else []), *article.text.split("\n\n")]


# ------------------------------------------------------------------------------------------------ the seeds

GOLD: dict[str, dict[str, Any]] = {
    "000": {"keep": [(3, 11), (16, 36), (41, 61), (66, 80), (85, 103)], "subheads": [26, 55, 89],
            "captions": [13, 38, 63, 82, 105], "cut": 10},
    "001": {"keep": [(16, 36)], "title": 3, "standfirst": 11, "section": 1, "captions": [13, 14], "cut": 3},
    "002": {"keep": [(10, 34)], "title": 4, "standfirst": 6, "section": 2, "captions": [8], "cut": 35},
    "003": {"keep": [(4, 61)], "title": 1, "items": [44, 45, 46, 47], "cut": 0},
    "004": {"keep": [(9, 39)], "title": 3, "standfirst": 7, "section": 5, "captions": [1], "bio": 41,
            "subheads": [11, 21, 25, 29, 35], "cut": 0},
}  # fmt: skip
KINDS = {
    "000": {1: "SHARE", 14: "DUP", 39: "DUP", 64: "DUP", 83: "DUP", 106: "DUP", 108: "SUBSCRIBE", 109: "SUBSCRIBE",
            111: "SUBSCRIBE", 113: "GALLERY"},
    "001": {5: "NAV", 7: "DUP", 9: "DUP"},
    "002": {1: "SVGTITLE", 36: "SPONSOR", 38: "SPONSOR", 40: "METER", 42: "SUBSCRIBE", 43: "SUBSCRIBE",
            45: "SUBSCRIBE", 47: "SUBSCRIBE", 49: "SUBSCRIBE", 50: "SUBSCRIBE", 52: "OFFER", 54: "METER", 56: "METER",
            58: "SUBSCRIBE", 59: "SUBSCRIBE", 60: "SUBSCRIBE", 62: "SUBSCRIBE", 63: "SUBSCRIBE", 65: "OFFER",
            67: "OFFER", 69: "EXPIRED", 71: "EXPIRED", 73: "SUBSCRIBE", 74: "SUBSCRIBE", 75: "OFFER", 77: "EXPIRED",
            79: "EXPIRED", 81: "SUBSCRIBE", 82: "SUBSCRIBE", 83: "OFFER", 84: "APP", 86: "APP", 88: "APP", 89: "APP",
            91: "APP"},
    "003": {}, "004": {},
}  # fmt: skip


@needs_seeds
@pytest.mark.parametrize("name", sorted(GOLD))
def test_seed_comes_out_as_the_gold_map_says(name: str) -> None:
    gold = GOLD[name]
    body = next(SEEDS.glob(f"{name}_*")).read_bytes()
    raw = [" ".join(line.split()) for line in body.decode().splitlines()]
    page = clean_page(body)
    article = page.article

    def line(number: int | None) -> str | None:
        return raw[number - 1] if number else None

    assert page.verdict == "article"
    assert article.access.status is AccessStatus.FULL
    assert article.title == line(gold.get("title"))
    assert article.standfirst == line(gold.get("standfirst"))
    assert article.section == line(gold.get("section"))
    assert article.author_bio == line(gold.get("bio"))
    assert list(article.captions) == [line(number) for number in gold.get("captions", [])]
    expected = [raw[n - 1] for first, last in gold["keep"] for n in range(first, last + 1) if raw[n - 1]]
    repaired = {repair.before: repair.after.split("\n\n") for repair in article.repairs}
    expected = [piece for text in expected for piece in repaired.get(text, [text])]
    assert [paragraph.text for paragraph in article.paragraphs] == expected
    assert [p.text for p in article.paragraphs if p.kind == "h"] == [line(n) for n in gold.get("subheads", [])]
    assert [p.text for p in article.paragraphs if p.kind == "li"] == [line(n) for n in gold.get("items", [])]
    assert [(removal.text, removal.kind) for removal in article.removed] == [
        (line(number), kind) for number, kind in sorted(KINDS[name].items())
    ]
    assert blocks_of(article) == Counter(page_blocks(body))
    assert_cleaning_again_keeps_all(article)


@needs_seeds
def test_lost_paragraph_break_is_repaired_with_a_record() -> None:
    article = extract_article(next(SEEDS.glob("000_*")).read_bytes())
    (repair,) = article.repairs
    first, second = repair.after.split("\n\n")
    assert first.endswith("she said.")
    assert second.startswith("The two sides")
    assert repair.before == first + second


# --------------------------------------------------------------------------------------------- properties

FURNITURE = [
    "Share",
    "SUBSCRIBE NOW",
    "Related articles",
    "Advertisement",
    "Sponsored Content",
    "シェアする",
    "関連記事",
]
SENTENCES = [
    "The ministers met in Tokyo on Tuesday and agreed to widen the exchange of officers between the two staffs.",
    "Officials declined to say how many missiles would be bought, but the draft budget leaves room for four hundred.",
    "“It is a start,” one diplomat said, adding that the harder questions had been left to a working group.",
    "防衛省は新しい部隊を来年度末までに発足させる方針を固め、関係する自治体に説明を始めたことが分かった。",
    "A shorter line.",
    "What does it mean?",
    "Background",
    "2+2",
]
lines_of_text = st.lists(st.sampled_from(SENTENCES + FURNITURE) | st.text(max_size=60), max_size=25)


@settings(max_examples=150, deadline=None)
@given(lines_of_text, st.sampled_from(["\n", "\n\n"]))
def test_any_text_is_partitioned(lines: list[str], separator: str) -> None:
    body = separator.join(lines).encode("utf-8", "surrogatepass")
    assert blocks_of(extract_article(body)) == Counter(page_blocks(body))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["p", "h2", "li", "div", "blockquote", "figcaption", "nav"]),
                          st.sampled_from(SENTENCES + FURNITURE)), max_size=20))  # fmt: skip
def test_any_page_is_partitioned_and_invents_no_word(blocks: list[tuple[str, str]]) -> None:
    inner = "".join(f"<{tag}>{text}</{tag}>" for tag, text in blocks)
    body = f"<html><body><article><h1>A title of some words</h1>{inner}</article></body></html>".encode()
    article = extract_article(body)
    assert blocks_of(article) == Counter(page_blocks(body))
    assert set(words(article.text)) <= set(words(body.decode()))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(SENTENCES[:6]), min_size=1, max_size=12), st.sampled_from(SENTENCES[6:]))
def test_cleaning_twice_is_cleaning_once(paragraphs: list[str], subhead: str) -> None:
    inner = "".join(f"<p>{text}</p>" for text in paragraphs)
    body = f"<html><body><h1>Allies widen exchange of officers</h1>{inner}<h2>{subhead}</h2>{inner}</body></html>"
    assert_cleaning_again_keeps_all(extract_article(body.encode()))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400) | st.builds(lambda tail: b"<html>" + tail, st.binary(max_size=400)))
def test_any_bytes_give_an_article(body: bytes) -> None:
    article = extract_article(body, "https://example.com/a")
    article.text.encode("utf-8")
    assert blocks_of(article) == Counter(page_blocks(body))


def test_everything_cut_is_kept_and_flagged() -> None:
    article = extract_article(b"Subscribe now\n\nSign up for our newsletter\n\nShare")
    assert article.flags == ("everything-cut",)
    assert article.text == "Subscribe now\n\nSign up for our newsletter\n\nShare"
    assert article.removed == ()


def test_standfirst_repeated_inside_a_paragraph_stays() -> None:
    lead = "One may ask what the meeting has settled and what it has left open."
    long = f"{lead} The answer, three officials said in separate interviews, is that almost everything was left open."
    article = extract_article(f"Allies meet again\n\n{lead}\n\nCredit: (Pool)\n\n{SENTENCES[0]}\n\n{long}".encode())
    assert article.standfirst == lead
    assert article.paragraphs[-1].text == long


def test_whole_repeat_of_a_kept_block_is_cut() -> None:
    article = extract_article("\n\n".join([SENTENCES[0], SENTENCES[1], SENTENCES[0]]).encode())
    assert [(removal.text, removal.kind) for removal in article.removed] == [(SENTENCES[0], "DUP")]


def test_text_seen_only_in_scripts_is_no_block() -> None:
    body = b"<html><body><script>var a='hidden words';</script><style>p{}</style><p>Seen.</p><template>x</template>"
    assert page_blocks(body) == ("Seen.",)


def test_same_page_gives_the_same_article_under_any_hash_seed() -> None:
    code = (
        "import sys, hashlib; from alliancewatch.extract import extract_article;"
        "print(hashlib.sha256(repr(extract_article(open(sys.argv[1], 'rb').read())).encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code, str(PAGES / "full-en.html")],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


# ----------------------------------------------------------------------------------------------- decoding

JAPANESE = "日米両政府は外務・防衛担当閣僚協議を開き、共同文書を発表した。「同盟の強化」を確認するねらいだ。" * 3


@pytest.mark.parametrize("codec", ["utf-8", "cp932", "euc_jp", "iso2022_jp", "utf-16"])
@pytest.mark.parametrize("told_by", ["header", "meta", "nothing", "a wrong header"])
def test_japanese_is_read_in_any_encoding(codec: str, told_by: str) -> None:
    label = {"cp932": "Shift_JIS", "euc_jp": "EUC-JP", "iso2022_jp": "ISO-2022-JP"}.get(codec, codec)
    meta = f'<meta charset="{label}">' if told_by in ("meta", "a wrong header") else ""
    declared = {"header": label, "a wrong header": "ISO-8859-1"}.get(told_by)
    decoded = decode(f"<html><head>{meta}</head><p>{JAPANESE}</p></html>".encode(codec), declared)
    assert JAPANESE in decoded.text
    assert decoded.replaced == 0


@pytest.mark.parametrize("label", ["utf-9", "unicode_escape", "rot13", "idna", "hex", "", "utf-8\x00"])
def test_a_label_that_is_no_encoding_of_the_web_reaches_no_codec(label: str) -> None:
    assert decode("naïve – 日本".encode(), label).text == "naïve – 日本"


def test_vendor_characters_of_shift_jis_are_read() -> None:
    assert decode("髙﨑㈱①は新型艦を公開した".encode("cp932"), "Shift_JIS").text.startswith("髙﨑㈱①")


def test_soup_is_undecodable_and_all_in_the_ledger() -> None:
    page = clean_page(bytes(range(128, 256)) * 40 + b"\x81\x00\xff" * 100, declared_charset="utf-8")
    assert page.verdict == "unreadable"
    assert page.reason.startswith("undecodable")
    assert page.article.access.status is AccessStatus.BLOCKED
    assert page.article.text == ""
    assert page.article.removed


def test_controls_bidi_and_zero_width_characters_are_gone() -> None:
    body = "<html><p>A\x00l\u200bli&#xD800;ance &#8203;of\u202e states.&#x202E; It\u00a0 holds.</p>".encode()
    text = extract_text(body)
    assert re.search("[\x00-\x08\u200b-\u200f\u202a-\u202e\ud800-\udfff]", text) is None
    assert "of states." in text


# ------------------------------------------------------------------------------------------- hostile input

HOSTILE = {
    "nested": b"<div>" * 100_000 + b"x",
    "nested and closed": b"<div>" * 100_000 + b"hello there." + b"</div>" * 100_000,
    "unclosed": b"<html>" + b"<b>" * 66_000 + b"hello",
    "adopted": b"<html>" + b"<a><div>" * 50_000 + b"x",
    "attributes": b"<html><div " + b" ".join(b"a%d=1" % i for i in range(100_000)) + b">x</div>",
    "one word": b"<html><p>" + b"a" * 4_000_000,
    "entities": b"<html><p>" + b"&amp;" * 500_000,
    "links": b"<html>" + b"<a href=x>y</a>" * 200_000,
    "comment": b"<html><!--" + b"a" * 4_000_000 + b"-->x",
    "deep json": b'<html><script type="application/ld+json">' + b"[" * 200_000 + b"</script><p>x",
    "angle brackets": b"<" * 1_000_000,
    "icons": b"IconArrow" * 100_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_page_takes_a_second_per_megabyte_at_most(name: str) -> None:
    body = HOSTILE[name]
    start = time.process_time()
    extract_article(body)
    assert time.process_time() - start < max(1.0, len(body) / 1e6)


CARD = (
    "The ministers of the allies met on Tuesday to discuss the posture of forces, item {n}, officials said in Tokyo. "
    "They agreed to meet again before the end of the year and to let their staffs prepare a statement."
)


@pytest.mark.parametrize(
    ("markup", "reason"),
    [
        ('<div><h3><a href="/{n}">Ministers meet, part {n}</a></h3><p>' + CARD + '</p><a href="/{n}">More</a></div>',
         "listing: 25 linked headlines, each with a teaser"),
        ('<a href="/{n}"><h3>Ministers meet again, part {n}</h3></a><div>' + CARD + "</div>",
         "listing: 25 linked headlines, each with a teaser"),
        ('<li><a href="/{n}">Ministers of the allies meet again, part {n}</a></li>', "listing: 25 links and no text"),
    ],
)  # fmt: skip
def test_a_row_of_headlines_is_a_listing(markup: str, reason: str) -> None:
    cards = "".join(markup.replace("{n}", str(n)) for n in range(25))
    page = clean_page(
        f"<html><title>Security</title><body><main><h1>Security</h1>{cards}</main></body></html>".encode()
    )
    assert (page.verdict, page.reason) == ("not_article", reason)


def test_an_article_with_a_few_linked_headlines_is_an_article() -> None:
    linked = "".join(f'<h3><a href="/{n}">Item {n} of the agenda for Tokyo</a></h3><p>{CARD}</p>' for n in range(12))
    page = clean_page(
        f"<html><body><article><h1>The week</h1><p>{CARD * 4}</p>{linked}</article></body></html>".encode()
    )
    assert page.verdict == "article"


@pytest.mark.parametrize("start", ["<rss version='2.0'>", "<?xml version='1.0'?>\n<!-- x --><feed>", "<urlset>"])
def test_a_feed_is_no_article(start: str) -> None:
    page = clean_page(f"{start}<title>News</title><description>{CARD}</description>".encode())
    assert page.verdict == "not_article"
    assert page.reason.startswith("feed: its root is <")


def test_text_below_three_hundred_elements_is_kept() -> None:
    assert extract_text(b"<div>" * 300 + f"<p>{SENTENCES[0]}</p>".encode()) == SENTENCES[0]
