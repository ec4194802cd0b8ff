from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html import unescape
from typing import Any

import pytest
from digest_rows import DIGESTS, TOPICS, VERSIONS, WEEK, article, coverage, digest_of, read_week
from digests.regenerate import expected_files
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from selectolax.lexbor import LexborHTMLParser
from test_sanitize import VECTORS

from alliancewatch.config_file import read_config
from alliancewatch.digest import (
    Digest,
    DigestArticle,
    DigestItem,
    DigestSettings,
    build_digest,
    mail_address,
    render_eml,
    render_html,
    render_json,
    render_text,
    subject,
)
from alliancewatch.digest.quote import quote
from alliancewatch.digest.sentences import sentence_spans
from alliancewatch.digest.wrap import columns, wrap
from alliancewatch.errors import UsageError
from alliancewatch.model import AccessStatus
from alliancewatch.resources import resource
from alliancewatch.week import dated_at

LONG = "Allied ministers meet in Tokyo on Friday to speak of missiles, of bases and of money for both. " * 4


def items(digest: Digest) -> list[DigestItem]:
    late = (digest.late,) if digest.late else ()
    return [item for section in (*digest.sections, *late) for item in section.items]


def squeezed(text: str) -> str:
    return " ".join(text.split())


def visible_text(html: str) -> str:
    body = LexborHTMLParser(html).body
    assert body is not None
    return squeezed(body.text())


# ---- the expected files


@pytest.mark.parametrize("name", sorted(expected_files()))
def test_the_sample_week_gives_the_expected_file(name: str) -> None:
    # After a change meant to show: python tests/digests/regenerate.py, then read the difference.
    made, expected = expected_files()[name], (DIGESTS / name).read_bytes()
    if name.endswith(".eml"):  # Python versions fold headers differently, so compare what they say
        assert spoken(made) == spoken(expected)
    else:
        assert made.decode() == expected.decode()


def spoken(raw: bytes) -> tuple[list[tuple[str, str]], str, str]:
    message = parsed(raw)
    return [(name, str(value)) for name, value in message.items()], part(message, "plain"), part(message, "html")


def test_the_same_rows_give_the_same_bytes_in_another_process() -> None:
    script = "import hashlib, regenerate; print(hashlib.sha256(repr(regenerate.expected_files()).encode()).hexdigest())"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(DIGESTS), "TZ": zone, "LC_ALL": "C"},
            capture_output=True,
            check=True,
        ).stdout
        for seed, zone in (("1", "UTC"), ("2", "America/New_York"))
    }
    assert len(outputs) == 1


# ---- what is shown

texts = st.one_of(
    st.text(max_size=300),
    st.lists(st.sampled_from([*VECTORS, "The U.S. met Japan. ", "「行く。」と述べた。", "\n\n", LONG]), max_size=6).map(
        "".join
    ),
)
times = st.integers(-15 * 24, 9 * 24).map(lambda hours: WEEK.start + timedelta(hours=hours))


@st.composite
def rows(draw: st.DrawFn) -> DigestArticle:
    published_at, first_seen_at = draw(st.one_of(st.none(), times)), draw(times)
    topics = draw(st.lists(st.tuples(st.sampled_from([*TOPICS, "unknown"]), st.floats(0, 99)), max_size=3))
    return article(
        draw(st.sampled_from("abcdefghij")),
        revision=draw(st.integers(1, 2)),
        source_id=(source := draw(st.sampled_from(["s1", "s2", "s3"]))),
        source_name=draw(texts),
        url=draw(st.one_of(texts, st.just("https://a.example/"), st.just("javascript:alert(1)"))),
        title=draw(st.one_of(st.none(), texts)),
        text=draw(texts),
        lang=draw(st.sampled_from(["en", "ja", "und", '"><script>'])),
        published_at=published_at,
        first_seen_at=first_seen_at,
        access=draw(st.sampled_from(AccessStatus)),
        remaining_chars=draw(st.one_of(st.none(), st.integers(0, 2000))),
        total_chars=draw(st.one_of(st.none(), st.integers(0, 3000))),
        relevance=draw(st.sampled_from(["relevant", "borderline", "irrelevant"])),
        relevance_score=draw(st.floats(0, 1)),
        topics=tuple(topics),
        primary=topics[0][0] if topics else None,
        is_late=dated_at(published_at, first_seen_at) < WEEK.start,
        redistribution="headline" if source == "s3" else "extract",
    )


@settings(max_examples=150, deadline=None)
@given(
    st.lists(rows(), max_size=12, unique_by=lambda row: (row.article_id, row.revision)),
    st.integers(1, 3),
    st.integers(1, 5),
    st.integers(0, 3),
    st.randoms(),
)
def test_every_row_is_accounted_for_and_shown_rightly(
    given_rows: list[DigestArticle], per_topic: int, in_all: int, noted: int, order: random.Random
) -> None:
    limits = {"max_per_topic": per_topic, "max_items": in_all, "max_noted": noted}
    digest = digest_of(*given_rows, **limits)
    shown, left = items(digest), digest.left_out
    by_key = {(row.article_id, row.revision): row for row in given_rows}

    copies = sum(len(item.also_in) for item in shown)
    named = len(shown) + copies + len(digest.noted)
    dropped = (
        left.irrelevant + left.borderline + left.over_limit + left.outside_week + left.after_as_of + left.superseded
    )
    assert named + dropped == len(given_rows)
    counts = digest.counts
    assert counts.read == counts.relevant + counts.borderline + counts.irrelevant
    assert counts.shown == len(shown)

    ids = [item.article_id for item in shown]
    ids += [copy.article_id for item in shown for copy in item.also_in] + [
        headline.article_id for headline in digest.noted
    ]
    ids += [headline.article_id for section in digest.sections for headline in section.more]
    assert len(ids) == len(set(ids))
    assert sum(len(section.items) for section in digest.sections) <= in_all

    for section in digest.sections:
        assert len(section.items) <= per_topic
        for item in section.items:
            assert dated_at(item.published_at, item.first_seen_at) in WEEK
    for item in digest.late.items if digest.late else ():
        assert dated_at(item.published_at, item.first_seen_at) < WEEK.start
    for item in shown:
        row = by_key[item.article_id, item.revision]
        assert item.first_seen_at <= digest.as_of
        if row.redistribution == "headline":
            assert item.quote is None
        for passage in item.quote.passages if item.quote else ():
            assert passage
            assert passage in row.text

    order.shuffle(given_rows)
    assert digest_of(*given_rows, **limits) == digest


@settings(max_examples=80, deadline=None)
@given(st.lists(rows(), max_size=5))
def test_nothing_from_the_web_becomes_markup(given_rows: list[DigestArticle]) -> None:
    digest = digest_of(*given_rows)
    html = render_html(digest)
    assert_inert(html)
    text = visible_text(html)
    for item in items(digest):
        assert squeezed(item.title) in text
        for passage in item.quote.passages if item.quote else ():
            assert squeezed(passage) in text
    json.loads(render_json(digest))
    for line in render_text(digest).splitlines():
        assert columns(line) <= 76 or line.startswith("[")


def assert_inert(html: str) -> None:
    tree = LexborHTMLParser(html)
    assert not tree.css(
        "script, img, svg, math, form, iframe, object, embed, link, base, video, input, meta[http-equiv]"
    )
    assert len(tree.css("style")) == 1
    assert "url(" not in html.split("</style>")[0]
    for node in tree.css("*"):
        assert not [name for name in node.attributes if name.startswith("on")]
        if (href := node.attributes.get("href")) is not None:
            assert href.startswith(("https://", "http://", "#topic-"))


@pytest.mark.parametrize(
    "vector", [*VECTORS, "{{ 7 * 7 }}", "{% for x in y %}", "${7*7}", "</td></table>", '" onmouseover="x']
)
def test_an_attack_in_any_field_stays_text(vector: str) -> None:
    row = article(
        title=vector,
        source_name=vector,
        url=f"https://a.example/{vector}",
        text=f"The minister said {vector} to all of us.",
    )
    borderline = article("b", title=vector, relevance="borderline", url=vector, source_name=vector)
    covered = coverage("s", name=vector, came=1, failed=((vector, 1),))
    topics = {"alliance-diplomacy": vector}
    digest = build_digest(
        WEEK,
        WEEK.cut,
        [row, borderline],
        [covered],
        topics,
        DigestSettings(title=vector.encode(errors="replace").decode()[:100]),
        VERSIONS,
    )
    html = render_html(digest)
    assert_inert(html)
    assert "49" not in visible_text(html)
    message = parsed(render_eml(digest, DigestSettings(), "a@example.org"))
    assert message["Bcc"] is None
    assert not message.defects


def test_template_code_in_a_title_is_shown_as_it_is() -> None:
    digest = digest_of(article(title="{{ 7*7 }} {% raw %} #{x}"))
    assert "{{ 7*7 }} {% raw %} #{x}" in visible_text(render_html(digest))
    assert "{{ 7*7 }} {% raw %} #{x}" in render_text(digest)


def test_a_headline_source_shows_no_text_of_its_own() -> None:
    row = article(
        text="Secret words stand here. " * 20,
        standfirst="Secret standfirst.",
        redistribution="headline",
        access=AccessStatus.TEASER,
        remaining_chars=400,
        total_chars=1000,
    )
    digest = digest_of(row)
    for rendered in (
        render_html(digest),
        render_text(digest),
        render_json(digest),
        render_eml(digest, DigestSettings()).decode(),
    ):
        assert "Secret" not in rendered
    text = visible_text(render_html(digest))
    assert "Allies hold talks about a1 The Bay Ledger · bay-ledger.example · Tue 17 Nov" in text
    assert "headline only" in text
    assert "teaser, 40% missing" in text


@pytest.mark.parametrize(
    ("access", "expected"),
    [
        ({"access": AccessStatus.FULL}, None),
        ({"access": AccessStatus.TEASER}, "teaser"),
        ({"access": AccessStatus.TEASER, "remaining_chars": 750, "total_chars": 1000}, "teaser, 75% missing"),
        (
            {"access": AccessStatus.REGISTRATION, "remaining_chars": 1234},
            "teaser, registration needed, 1,234 characters not shown",
        ),
        (
            {"access": AccessStatus.TEASER, "remaining_chars": 900, "total_chars": 100},
            "teaser, 900 characters not shown",
        ),
    ],
)
def test_access_is_shown_with_the_missing_share(access: dict[str, Any], expected: str | None) -> None:
    badges = LexborHTMLParser(render_html(digest_of(article(**access)))).css(".badge")
    assert [badge.text() for badge in badges] == ([expected] if expected else [])


# ---- order, room and copies


def test_sections_follow_the_taxonomy_and_end_with_other() -> None:
    digest = digest_of(
        article("a", primary=None, topics=()),
        article("b", primary="taiwan", topics=(("taiwan", 9.0),)),
        article("c"),
        article("d", primary="retired-topic", topics=(("retired-topic", 9.0),)),
    )
    assert [section.topic_id for section in digest.sections] == ["alliance-diplomacy", "taiwan", "other"]
    assert [item.article_id for item in digest.sections[-1].items] == ["d", "a"]


def test_one_outlet_does_not_fill_a_topic() -> None:
    ledger = [article(f"a{n}", relevance_score=0.9) for n in range(3)]
    other = article("z", relevance_score=0.8, source_id="harbor-wire")
    assert [item.article_id for item in digest_of(*ledger, other).sections[0].items] == ["a0", "z", "a1", "a2"]


def test_full_text_goes_before_an_opening_and_ties_go_to_the_earlier() -> None:
    later = article("a", published_at=WEEK.start + timedelta(days=3), source_id="s1")
    earlier = article("b", source_id="s2")
    opening = article("c", access=AccessStatus.TEASER, published_at=WEEK.start, source_id="s3")
    assert [item.article_id for item in digest_of(later, opening, earlier).sections[0].items] == ["b", "a", "c"]


def test_room_is_given_to_every_topic_in_turn() -> None:
    many = [article(f"a{n}", source_id=f"s{n}") for n in range(9)]
    few = [article(f"t{n}", source_id=f"s{n}", primary="taiwan", topics=(("taiwan", 5.0),)) for n in range(2)]
    digest = digest_of(*many, *few, max_per_topic=8, max_items=5)
    assert [(section.topic_id, len(section.items), len(section.more)) for section in digest.sections] == [
        ("alliance-diplomacy", 3, 6),
        ("taiwan", 2, 0),
    ]
    assert digest.left_out.over_limit == 6


def test_the_same_text_is_shown_once_with_the_other_outlets() -> None:
    first = article("b", text=LONG, source_id="wire", source_name="Harbor Wire", published_at=WEEK.start)
    second = article(
        "a", text=LONG.upper().replace(" ", "\n"), source_id="cape", source_name="Cape Herald", title="Other title"
    )
    digest = digest_of(first, second)
    (item,) = items(digest)
    assert item.article_id == "b"
    assert [(copy.article_id, copy.source_name) for copy in item.also_in] == [("a", "Cape Herald")]
    assert "Also in: Cape Herald" in visible_text(render_html(digest))


def test_of_copies_the_one_that_may_be_quoted_and_is_whole_is_shown() -> None:
    headline = article("a", text=LONG, redistribution="headline", published_at=WEEK.start)
    locked = article("b", text=LONG, access=AccessStatus.TEASER, published_at=WEEK.start)
    whole = article("c", text=LONG, published_at=WEEK.start + timedelta(days=2))
    (item,) = items(digest_of(headline, locked, whole))
    assert item.article_id == "c"
    assert [copy.article_id for copy in item.also_in] == ["b", "a"]


def test_the_notice_of_a_paywall_does_not_make_two_stories_one() -> None:
    notice = "This article is for members. Sign in to read on."
    assert len(items(digest_of(article("a", text=notice), article("b", text=notice)))) == 2
    assert len(items(digest_of(article("a", text=""), article("b", text="", title="Allies hold talks about a")))) == 2
    assert (
        len(items(digest_of(article("a", text=notice), article("b", text=notice, title="Allies hold talks about a"))))
        == 1
    )


def test_late_articles_stand_apart_and_other_weeks_are_left_out() -> None:
    before, after = WEEK.start - timedelta(seconds=1), WEEK.end
    seen = WEEK.end - timedelta(days=1)
    digest = digest_of(
        article("late", published_at=before, first_seen_at=seen, is_late=True),
        article("known", published_at=before, first_seen_at=before),
        article("next", published_at=after, first_seen_at=after),
        article("unknown-yet", first_seen_at=WEEK.cut + timedelta(seconds=1)),
        article("night", published_at=WEEK.end - timedelta(seconds=1), first_seen_at=WEEK.cut),
        article("future-date", published_at=after + timedelta(days=9), first_seen_at=seen),
    )
    assert digest.late is not None
    assert [item.article_id for item in digest.late.items] == ["late"]
    assert {item.article_id for item in digest.sections[0].items} == {"night", "future-date"}
    assert digest.left_out.outside_week == 2
    assert digest.left_out.after_as_of == 1
    assert "first seen Sun 22 Nov" in render_text(digest)


def test_the_newest_revision_is_shown() -> None:
    digest = digest_of(article(title="Old"), article(title="New", revision=2))
    assert [item.title for item in items(digest)] == ["New"]
    assert digest.left_out.superseded == 1


def test_borderline_articles_are_named_and_counted() -> None:
    digest = digest_of(
        *(article(f"b{n}", relevance="borderline", relevance_score=n / 10) for n in range(4)), max_noted=2
    )
    assert [headline.article_id for headline in digest.noted] == ["b3", "b2"]
    assert digest.left_out.borderline == 2
    assert digest.is_empty
    assert "borderline, not listed 2" in render_text(digest)


def test_an_empty_week_says_so_and_shows_what_was_watched() -> None:
    watched = [
        coverage("s1", name="Island Voice", polls_ok=7, silent=True, expected_per_week=2.0),
        coverage("s2", polls_failed=3),
    ]
    digest = build_digest(WEEK, WEEK.cut, [], watched, TOPICS, DigestSettings(), VERSIONS)
    for rendered in (visible_text(render_html(digest)), render_text(digest)):
        assert "Nothing new" in rendered
        assert "Island Voice" in rendered
        assert "s2" in rendered
    assert "Nothing new" in subject(digest)


def test_coverage_tells_came_failed_and_silent_apart() -> None:
    rows, covered, topics = read_week()
    text = squeezed(render_text(build_digest(WEEK, WEEK.cut, rows, covered, topics, DigestSettings(), VERSIONS)))
    assert "5 The Bay Ledger (Expected 4, Opening only 1, Revised 1)" in text
    assert "- Cape Herald: failed looks: 28; 404: no feed at the address: 28" in text
    assert "Silent, though something was expected: Island Voice" in text
    assert "Nothing came, nothing expected: Defence Quarterly" in text


# ---- size


@pytest.mark.parametrize("worst", [False, True])
def test_three_thousand_articles_fit_and_the_rest_is_counted(worst: bool) -> None:
    title, path = ('"' * 190, "&" * 1900) if worst else ("Allies hold talks", "story")
    many = [
        article(
            f"a{n:04}",
            source_id=f"s{n % 117}",
            title=f"{title} {n}",
            url=f"https://a.example/{n}?{path}",
            text=f"Number {n}. " + ('The "<minister>" & his aides said nothing at all about this matter today. ' * 20),
            relevance="borderline" if n % 10 == 0 else "relevant",
        )
        for n in range(3000)
    ]
    covered = [coverage(f"s{n}", name='"' * 60, came=n, polls_failed=n, failed=(("<" * 120, n),)) for n in range(117)]
    began = time.process_time()
    digest = build_digest(
        WEEK, WEEK.cut, many, covered, TOPICS, DigestSettings(max_per_topic=50, max_items=100, max_noted=50), VERSIONS
    )
    html = render_html(digest)
    assert time.process_time() - began < 10
    assert len(html.encode()) <= 102_000
    shown = len(LexborHTMLParser(html).css("h3"))
    assert shown > (0 if worst else 30)
    assert f"listed in digest.json: {2700 - shown}" in visible_text(html)
    assert len(json.loads(render_json(digest))["sections"][0]["more"]) == 2700 - digest.counts.shown


# ---- quotation


@pytest.mark.parametrize(
    "sentences",
    [
        [
            "The U.S. and Japan met on Jan. 5 in Washington.",
            "Lt. Gen. Stephen F. Jost spoke.",
            "He left at 3 p.m. Monday.",
        ],
        ["“We agree. We will act.”", "The minister left.", '"Is it so? Yes." he asked.', "“Really?” he said."],
        ["He lives in the U.S.", "He said so.", "It is No. 5 on the list.", "He said no.", "Costs rose 3.5 percent!"],
        [
            "Approved by Maj. Gen. X. Y. Smith Jr. on Dec. 28.",
            "Mr. Kishida met Sen. Hagerty (R-Tenn.) on Tues.",
            "The end.",
        ],
        ["The U.S. Navy sailed.", "Japan vs. China, i.e. The match… went on.", "“An open quote.", "The next."],
        [
            "首相は「同盟は強い。抑止力を高める。」と述べた。",
            "会談は東京で行われた。",
            "「行く。」首相はこう語った。",
            "(了)",
        ],
        ["本当か？", "疑問が残る！", "『「二重。」の引用。』だ。", "閉じない「かぎ括弧。", "次の文。"],
    ],
)
def test_sentences_end_where_they_end(sentences: list[str]) -> None:
    japanese = sentences[0][0] > "\u2e80"
    text = ("" if japanese else " ").join(sentences)
    assert [text[start:end] for start, end in sentence_spans(text)] == sentences


@given(st.one_of(st.text(), st.text(alphabet=' .!?"“”「」。\nAaU')))
def test_sentences_cover_the_text_in_order(text: str) -> None:
    spans = sentence_spans(text)
    assert all(start < end for start, end in spans)
    assert "".join("".join(text[start:end].split()) for start, end in spans) == "".join(text.split())
    assert spans == sorted(spans)


@given(texts, texts, st.integers(0, 4))
def test_a_quotation_is_verbatim(text: str, title: str, count: int) -> None:
    quoted = quote(text, title, count)
    if quoted is None:
        return
    assert 1 <= len(quoted.passages) <= max(count, 1)
    at = 0
    for passage in quoted.passages:
        at = text.index(passage, at) + len(passage)


def test_a_quotation_takes_what_the_headline_is_about() -> None:
    text = (
        "Subscribers of this paper know the harbour well.\n\n"
        "The weather on Tuesday was fine and many people went to the beach with their children.\n\n"
        "The Futenma air station will be handed back before the Henoko runway is finished, the governor said.\n\n"
        "Futenma"
    )
    quoted = quote(text, "Futenma to be handed back before Henoko is finished", 1)
    assert quoted is not None
    assert quoted.passages == (
        "The Futenma air station will be handed back before the Henoko runway is finished, the governor said.",
    )


def test_neighbours_are_quoted_as_one_piece_and_an_unfinished_text_is_marked() -> None:
    both = "The ministers will meet in Tokyo on Friday. They will speak about the bases in Okinawa."
    joined = quote(both, "Ministers to meet", 2)
    assert joined is not None
    assert joined.passages == (both,)
    assert not joined.cut
    unfinished = quote("記事の冒頭だけが公開されており、この先は" + "会員" * 300, "見出し", 2)
    assert unfinished is not None
    assert unfinished.cut
    assert columns(unfinished.passages[0]) <= 420


def test_long_paragraphs_of_open_brackets_take_no_time() -> None:
    began = time.process_time()
    quote("「" * 30_000 + "）。" * 30_000, "x", 2)
    sentence_spans("U.S. " * 40_000 + "「" * 40_000 + "”" * 40_000)
    assert time.process_time() - began < 2


@given(st.text(alphabet="a 日、。「」“\u0301é-", max_size=200), st.integers(10, 40))
def test_wrapping_keeps_the_text_and_the_width(text: str, width: int) -> None:
    lines = wrap(text, width, hang="  ")
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(columns(line) <= width for line in lines)


# ---- the message


def parsed(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    content = body.get_content()
    assert isinstance(content, str)
    return content.replace("\r\n", "\n")


def test_the_message_is_complete_and_holds_both_forms() -> None:
    rows, covered, topics = read_week()
    config = DigestSettings(unsubscribe_url="https://digest.example/" + "u" * 300, sender_name="日米ウォッチ")
    digest = build_digest(WEEK, WEEK.cut, rows, covered, topics, config, VERSIONS)
    raw = render_eml(digest, config, "analyst@Example.org")
    message = parsed(raw)
    assert raw.isascii()
    assert not message.defects
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert message["To"] == "analyst@example.org"
    assert message["From"].addresses[0].display_name == "日米ウォッチ"
    assert (
        message["Subject"]
        == subject(digest)
        == "US-Japan security digest, 16–22 November 2026 (2026-W47), relevant articles: 11"
    )
    assert message["Date"].datetime == digest.as_of
    assert message["List-Unsubscribe"] == f"<{config.unsubscribe_url}>"
    assert f"List-Unsubscribe: <{config.unsubscribe_url}>\r\n".encode() in raw
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["List-Id"] == "<digest.alliancewatch.invalid>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content_type() == "multipart/alternative"
    assert [p.get_content_type() for p in message.iter_parts()] == ["text/plain", "text/html"]
    assert part(message, "plain") == render_text(digest)
    assert part(message, "html") == render_html(digest)


def test_each_recipient_has_a_message_id_of_their_own_that_does_not_change() -> None:
    digest = digest_of(article())
    ids = [
        parsed(render_eml(digest, DigestSettings(), to))["Message-ID"]
        for to in (None, "a@x.example", "b@x.example", "A@X.example")
    ]
    assert len(set(ids[:3])) == 3
    assert ids[3] == ids[1]
    assert all(re.fullmatch(r"<2026-W47\.[0-9a-f]{24}@alliancewatch\.invalid>", i) for i in ids)
    later = replace(digest, as_of=digest.as_of + timedelta(seconds=1))
    assert parsed(render_eml(later, DigestSettings(), "a@x.example"))["Message-ID"] == ids[1]
    other_list = DigestSettings(list_id="other.alliancewatch.invalid")
    assert parsed(render_eml(digest, other_list, "a@x.example"))["Message-ID"] != ids[1]
    assert parsed(render_eml(digest, DigestSettings()))["To"] == "undisclosed-recipients:;"


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(st.text(min_size=1, max_size=100), st.just("A 💩 subject=?UTF-8?Q?=0A?=Bcc: injected@example.org")),
    st.text(max_size=100),
)
def test_no_title_or_sender_name_adds_a_header(title: str, sender: str) -> None:
    config = DigestSettings(title=title, sender_name=sender + "=?utf-8?q?=0ABcc=3A_x?=")
    digest = build_digest(WEEK, WEEK.cut, [], [], TOPICS, config, VERSIONS)
    raw = render_eml(digest, config, "a@example.org")
    message = parsed(raw)
    assert list(message.keys()) == str.split(
        "From To Subject Date Message-ID List-Id List-Unsubscribe Auto-Submitted MIME-Version Content-Type"
    )
    assert message["Subject"] == subject(digest)
    assert len(subject(digest)) <= 200
    assert raw.isascii()


# ---- settings


def test_the_shipped_settings_are_the_defaults() -> None:
    assert read_config(resource("config", "digest.yaml"), DigestSettings) == DigestSettings()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "analyst",
        "analyst@",
        "@example.org",
        "a@b@example.org",
        "a b@example.org",
        "a@example",
        "a..b@example.org",
        "a@-x.org",
        "a@example.org\nBcc: b@example.org",
        "a@example..org",
        "a@example.org,b@example.org",
        "<a@example.org>",
        "分析@example.org",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"such as analyst@example\.org"):
        mail_address(text)
    with pytest.raises(ValidationError):
        DigestSettings(recipients=(text,))
    with pytest.raises(UsageError):
        render_eml(digest_of(), DigestSettings(), text)


def test_each_recipient_is_kept_once() -> None:
    config = DigestSettings(recipients=(" Analyst@Example.org", "b@localhost", "analyst@example.ORG "))
    assert config.recipients == ("Analyst@example.org", "b@localhost")


@pytest.mark.parametrize(
    "wrong",
    [
        {"recipient": ["a@example.org"]},
        {"max_items": 0},
        {"list_id": "no dots here"},
        {"unsubscribe_url": "javascript:alert(1)"},
        {"unsubscribe_url": "https://a.example/\r\nBcc: x"},
        {"title": ""},
        {"language": "fr"},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DigestSettings(**wrong)


# ---- form


def test_the_page_can_be_read_by_everyone() -> None:
    tree = LexborHTMLParser((DIGESTS / "week.html").read_bytes())
    root = tree.root
    assert root is not None
    assert root.attributes["lang"] == "en"
    assert len(tree.css("h1")) == 1
    assert all(table.attributes.get("role") == "presentation" or table.css("th[scope]") for table in tree.css("table"))
    assert {node.attributes["lang"] for node in tree.css("blockquote")} == {"en", "ja"}
    assert not re.search(r"display\s*:\s*none|visibility", (DIGESTS / "week.html").read_text(encoding="utf-8"))
    ids = {node.attributes["id"] for node in tree.css("[id]")}
    assert {(node.attributes["href"] or "")[1:] for node in tree.css("a[href^='#']")} <= ids


def test_japanese_headings_are_all_translated() -> None:
    from alliancewatch.digest.labels import LABELS

    assert LABELS["en"].keys() == LABELS["ja"].keys()
    assert not [key for key, words in LABELS["ja"].items() if words.isascii()]


def test_instants_in_json_are_utc() -> None:
    data = json.loads(render_json(digest_of(article())))
    assert data["start_at"] == "2026-11-15T15:00:00+00:00"
    assert data["as_of"] == WEEK.cut.astimezone(UTC).isoformat()
    assert unescape(data["sections"][0]["items"][0]["title"]) == "Allies hold talks about a1"
