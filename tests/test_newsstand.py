"""The newsstand over real HTTP: what it serves when, that its answers fit its pages, that its text is our own."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import threading
from calendar import timegm
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.robotparser import RobotFileParser
from zoneinfo import ZoneInfo

import feedparser
import pytest
import requests
import yaml
from selectolax.lexbor import LexborHTMLParser

from alliancewatch.errors import ConfigError, UsageError
from alliancewatch.model import AccessStatus, Outcome
from alliancewatch.newsstand import (
    Expected,
    Newsstand,
    all_expected,
    expected,
    fixed_ports,
    load_world,
    sources,
    write_sources,
)
from alliancewatch.newsstand.world import OUTLETS, Revision
from alliancewatch.sources import SourceCatalogue

JST = ZoneInfo("Asia/Tokyo")
START = datetime(2026, 11, 2, tzinfo=JST)
END = datetime(2026, 11, 23, tzinfo=JST)
SHARED = Path(__file__).parents[2] / "shared"
TOPICS = Path(__file__).parents[1] / "config" / "topics.yaml"

ANSWERS = all_expected(END)
ARTICLES = [answer for answer in ANSWERS if answer.outcome is Outcome.STORED]


def name_of(answer: Expected) -> str:
    return f"{answer.outlet_id}/{answer.slug}"


@pytest.fixture(scope="module")
def newsstand() -> Iterator[Newsstand]:
    with Newsstand(END) as served:
        yield served


@pytest.fixture
def moving() -> Iterator[Newsstand]:
    with Newsstand(START) as served:
        yield served


def fetch(url: str, **headers: str) -> requests.Response:
    return requests.get(url, headers={"Connection": "close", **headers}, timeout=10, allow_redirects=False)


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def page_text(body: bytes, encoding: str) -> str:
    tree = LexborHTMLParser(body.decode(encoding))
    for tag in ("script", "style"):
        for node in tree.css(tag):
            node.decompose()
    assert tree.body is not None
    return tree.body.text(separator="\n")


# The world ------------------------------------------------------------------------------------------------------


def test_the_world_is_as_large_and_as_mixed_as_promised() -> None:
    assert len(ARTICLES) >= 80
    assert len(load_world().outlets) >= 11
    assert len({answer.outlet_id for answer in ARTICLES}) >= 10
    relevant = [answer for answer in ARTICLES if answer.relevance == "relevant"]
    assert len(relevant) >= 50
    assert len({answer.primary for answer in relevant}) >= 12
    assert len(ARTICLES) - len(relevant) >= 12
    assert 0.25 <= sum(answer.lang == "ja" for answer in ARTICLES) / len(ARTICLES) <= 0.5
    assert {answer.access for answer in ARTICLES} == {
        AccessStatus.FULL,
        AccessStatus.METERED,
        AccessStatus.TEASER,
        AccessStatus.REGISTRATION,
        AccessStatus.ADBLOCK_NOTICE,
    }
    assert {answer.outcome for answer in ANSWERS} == {
        Outcome.STORED,
        Outcome.WALLED,
        Outcome.NOT_ARTICLE,
        Outcome.GONE,
        Outcome.BLOCKED,
    }


def test_all_stories_and_changes_fall_into_the_three_weeks() -> None:
    weeks = {f"{answer.published_at.astimezone(JST):%G-W%V}" for answer in ANSWERS}
    assert weeks == {"2026-W45", "2026-W46", "2026-W47"}
    for stories in load_world().stories.values():
        for story in stories:
            assert all(START <= revision.at < END for revision in story.facts.revisions)


def test_topic_ids_are_those_of_the_taxonomy() -> None:
    if not TOPICS.exists():
        pytest.skip("config/topics.yaml is not there yet")
    known = {topic["id"] for topic in yaml.safe_load(TOPICS.read_text("utf-8"))["topics"]}
    assert {topic for answer in ARTICLES for topic in answer.topics} <= known


def test_wire_copy_carries_the_text_it_says() -> None:
    copies = [answer for answer in ARTICLES if answer.copy_of]
    for copy in copies:
        assert copy.copy_of is not None
        outlet_id, _, slug = copy.copy_of.partition("/")
        original = expected(outlet_id, slug, copy.published_at)
        assert original is not None
        assert original.outlet_id != copy.outlet_id
        if copy.copy_kind == "full":
            assert original.paragraphs == copy.paragraphs
        elif copy.copy_kind == "cut":
            assert original.paragraphs[: len(copy.paragraphs)] == copy.paragraphs
            assert 1 < len(copy.paragraphs) < len(original.paragraphs)
        else:
            sentences = set(re.split(r"(?<=[.!?])\s+", original.text))
            assert not sentences & set(re.split(r"(?<=[.!?])\s+", copy.text))
    wire = [copy for copy in copies if copy.copy_of == "kyoshin-news/command-link-rehearsal"]
    assert {copy.copy_kind for copy in wire} == {"full", "cut", "rewritten"}
    assert len({copy.outlet_id for copy in wire}) == 3


def test_two_outlets_are_of_one_family() -> None:
    family = [outlet for outlet in load_world().outlets.values() if outlet.family == "harbor"]
    assert len(family) == 2
    assert len({outlet.template_at(END) for outlet in family}) == 1
    shared = [answer for answer in ARTICLES if answer.outlet_id == "harbor-weekly" and answer.copy_of]
    assert len(shared) == 2


def test_counters_add_up() -> None:
    teasers = [answer for answer in ARTICLES if answer.total_chars is not None]
    assert teasers
    for answer in teasers:
        shown = sum(len(paragraph.text) for paragraph in answer.paragraphs)
        assert answer.remaining_chars == answer.total_chars - shown if answer.total_chars else False


def test_unknown_names_are_said_so() -> None:
    with pytest.raises(UsageError, match="unknown outlet: `daily-planet`"):
        expected("daily-planet", "x", END)
    with pytest.raises(UsageError, match="unknown story: `harbor-times/no-such-thing`"):
        expected("harbor-times", "no-such-thing", END)
    with pytest.raises(UsageError, match="unknown outlet"):
        Newsstand(END, ports={"daily-planet": 1})


GOOD_STORY = """\
---
title: A harbor without ships
published: 2026-11-03T09:00:00+09:00
relevance: irrelevant
revisions:
  - {at: 2026-11-04T09:00:00+09:00, replace: {"no ships": "one ship"}}
---
There were no ships in the harbor.
"""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("relevance: irr", "relevanse: irr"), r"a-harbor\.md:4: unknown key `relevanse`"),
        (("---\ntitle", "title"), r"a-harbor\.md:1: a story begins with front matter"),
        (("relevance: irrelevant", "topics: []"), "a relevant story names its topics"),
        (("T09:00:00+09:00\nrel", "T09:00:00\nrel"), "`published`: input should have timezone info"),
    ],
)
def test_a_bad_story_file_is_refused(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    home = tmp_path / "strait-and-shore"
    (home / "stories").mkdir(parents=True)
    (home / "outlet.yaml").write_bytes((OUTLETS / "strait-and-shore" / "outlet.yaml").read_bytes())
    (home / "stories" / "a-harbor.md").write_text(GOOD_STORY.replace(*change), "utf-8")
    with pytest.raises(ConfigError, match=message):
        load_world(tmp_path)


def test_a_revision_must_fit_the_text() -> None:
    story = load_world().story("harbor-times", "ministers-date-two-plus-two")
    edition = story.edition(END)
    assert edition is not None
    with pytest.raises(UsageError, match="“no such words”: not exactly once in the text"):
        edition.revised(Revision(at=END, replace={"no such words": "others"}))


# Pages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ARTICLES, ids=name_of)
def test_what_should_be_kept_is_on_the_page(newsstand: Newsstand, answer: Expected) -> None:
    url = newsstand.url_of(answer.outlet_id, answer.slug)
    response = fetch(url)
    assert response.status_code == 200
    story = newsstand.world.story(answer.outlet_id, answer.slug)
    encoding = story.facts.encoding or newsstand.world.outlet(answer.outlet_id).encoding
    text = squeezed(page_text(response.content, encoding))
    last = -1
    for paragraph in answer.paragraphs:
        at = text.find(squeezed(paragraph.text), last + 1)
        assert at > last, paragraph.text
        last = at
    furniture = text
    for wanted in (answer.title, answer.standfirst, answer.author_bio, answer.notice, *answer.captions):
        assert squeezed(wanted or "") in text
        furniture = furniture.replace(squeezed(wanted or ""), "")
    if answer.outlet_id != "strait-and-shore":  # the site that has nothing to strip
        assert len(response.content) > 2000
        assert len(furniture) > len(squeezed(answer.text)) + 40
    html = response.content.decode(encoding)
    assert all(name in html for name in answer.byline)
    assert re.findall('rel="canonical" href="([^"]*)"', html) in ([url], [])


def test_a_page_changes_only_with_its_own_editions_and_its_outlet(moving: Newsstand) -> None:
    for answer in ARTICLES:
        story = moving.world.story(answer.outlet_id, answer.slug)
        outlet = moving.world.outlet(answer.outlet_id)
        url = moving.url_of(answer.outlet_id, answer.slug)
        of_outlet = [change.at for change in (outlet.redesign, outlet.wall) if change is not None]
        later = {*(revision.at for revision in story.facts.revisions), *of_outlet}
        instants = [story.facts.published, *sorted(instant for instant in later if instant > story.facts.published)]
        seen = []
        for instant, until in zip(instants, [*instants[1:], END], strict=True):
            moving.at = instant
            first = fetch(url)
            moving.at = until - timedelta(seconds=1)
            assert fetch(url).content == first.content
            seen.append(first.headers["ETag"])
        assert len(set(seen)) == len(instants) >= answer.edition


def test_joined_sentences_are_on_a_page_without_a_space(newsstand: Newsstand) -> None:
    body = fetch(newsstand.url_of("harbor-times", "keen-sword-opens")).content.decode()
    assert re.search(r"[a-z]\.[A-Z][a-z]+’s Foreign Ministry", body)


@pytest.mark.parametrize(
    ("slug", "outlet_id", "status"),
    [
        ("live-election-blog", "harbor-times", 410),
        ("withdrawn-interview", "meridian-asia", 404),
        ("data-supply-chains", "meridian-asia", 200),
        ("member-login", "asagiri-shimbun", 200),
        ("moved-photo-page", "asagiri-shimbun", 200),
        ("category-security", "pacific-ledger", 200),
    ],
)
def test_odd_items_answer_as_such_pages_do(newsstand: Newsstand, slug: str, outlet_id: str, status: int) -> None:
    response = fetch(newsstand.url_of(outlet_id, slug))
    assert response.status_code == status
    assert "<article" not in response.text


def test_robots_txt_shuts_the_members_pages_and_no_story(newsstand: Newsstand) -> None:
    for answer in ANSWERS:
        robots = RobotFileParser()
        robots.parse(fetch(newsstand.addresses[answer.outlet_id] + "/robots.txt").text.splitlines())
        allowed = robots.can_fetch("AllianceWatch", newsstand.url_of(answer.outlet_id, answer.slug))
        assert allowed == (answer.outcome is not Outcome.BLOCKED)


def test_pages_have_the_encoding_they_claim_or_hide(newsstand: Newsstand) -> None:
    shift_jis = fetch(newsstand.url_of("asagiri-shimbun", "abduction-rally"))
    assert shift_jis.headers["Content-Type"] == "text/html; charset=shift_jis"
    assert "拉致被害者家族が集会".encode("shift_jis") in shift_jis.content
    with Newsstand(datetime(2026, 11, 16, tzinfo=JST)) as before_the_redesign:
        euc = fetch(before_the_redesign.url_of("ryuto-nippo", "henoko-soft-ground"))
    assert euc.headers["Content-Type"] == "text/html"
    assert "辺野古の軟弱地盤工事".encode("euc-jp") in euc.content
    assert b"charset=EUC-JP" in euc.content
    for response in (shift_jis, euc):
        with pytest.raises(UnicodeDecodeError):
            response.content.decode("utf-8")
    iso_2022 = fetch(newsstand.url_of("asagiri-shimbun", "extended-deterrence-guideline"))
    assert iso_2022.content.isascii()
    assert "拡大抑止の運用を協議" in iso_2022.content.decode("iso-2022-jp")
    lying = fetch(newsstand.url_of("asagiri-shimbun", "ogasawara-radar-plan"))
    assert lying.headers["Content-Type"] == "text/html; charset=shift_jis"
    assert b'<meta charset="utf-8">' in lying.content
    assert "小笠原諸島".encode("shift_jis") in lying.content
    utf8 = fetch(newsstand.url_of("asagiri-shimbun", "type12-kumamoto"))
    assert utf8.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "反撃能力" in utf8.content.decode("utf-8")


# Time -----------------------------------------------------------------------------------------------------------


def test_a_story_appears_at_its_instant(moving: Newsstand) -> None:
    story = moving.world.story("harbor-times", "keen-sword-opens")
    url = moving.url_of("harbor-times", "keen-sword-opens")
    moving.at = story.facts.published - timedelta(seconds=1)
    assert expected("harbor-times", "keen-sword-opens", moving.now()) is None
    assert fetch(url).status_code == 404
    assert feedparser.parse(fetch(moving.feed_url("harbor-times")).content).entries == []
    moving.at = story.facts.published
    assert fetch(url).status_code == 200
    assert [entry.link for entry in feedparser.parse(fetch(moving.feed_url("harbor-times")).content).entries] == [url]


def test_at_may_be_a_clock() -> None:
    instants = iter([START, END])
    with Newsstand(lambda: next(instants)) as served:
        assert served.now() == START
        assert served.now() == END


def test_an_edit_shows_from_its_instant_on(moving: Newsstand) -> None:
    url = moving.url_of("harbor-times", "ministers-date-two-plus-two")
    change = datetime(2026, 11, 6, 9, 30, tzinfo=JST)
    moving.at = change - timedelta(seconds=1)
    before, first = fetch(url), expected("harbor-times", "ministers-date-two-plus-two", moving.now())
    moving.at = change
    after, second = fetch(url), expected("harbor-times", "ministers-date-two-plus-two", moving.now())
    assert first is not None
    assert second is not None
    assert (first.edition, second.edition) == (1, 2)
    assert first.title == second.title
    assert "the week of Dec. 7" in before.text
    assert "the week of Dec. 7" not in after.text
    assert len(second.paragraphs) == len(first.paragraphs) + 1
    assert second.paragraphs[-1].text in after.text
    assert before.headers["ETag"] != after.headers["ETag"]
    assert after.headers["Last-Modified"] == "Fri, 06 Nov 2026 00:30:00 GMT"


def test_a_corrected_headline_shows_on_page_and_feed(moving: Newsstand) -> None:
    moving.at = datetime(2026, 11, 7, tzinfo=JST)
    assert "China tows two buoys to edge" in fetch(moving.feed_url("harbor-times")).text
    moving.at = datetime(2026, 11, 8, tzinfo=JST)
    assert "China tows buoy to edge" in fetch(moving.feed_url("harbor-times")).text
    page = fetch(moving.url_of("harbor-times", "coast-guard-buoy")).text
    assert "two buoys" not in page
    assert "CORRECTION" in page


def test_an_edit_may_remove_a_paragraph_or_the_whole_story(moving: Newsstand) -> None:
    signing = moving.url_of("asagiri-shimbun", "manila-acsa-signing")
    retracted = moving.url_of("kyoshin-news", "envoy-resigns-report")
    moving.at = datetime(2026, 11, 19, tzinfo=JST)
    assert "開始は40分遅れた" in fetch(signing).text
    moving.at = datetime(2026, 11, 20, tzinfo=JST)
    assert "開始は40分遅れた" not in fetch(signing).text
    page = fetch(retracted).text
    assert "RETRACTED" in page
    assert "No successor has been named" not in page


def test_a_redesign_changes_the_markup_and_not_the_text(moving: Newsstand) -> None:
    url = moving.url_of("ryuto-nippo", "henoko-soft-ground")
    moving.at = datetime(2026, 11, 16, tzinfo=JST)
    before, answer = fetch(url), expected("ryuto-nippo", "henoko-soft-ground", moving.now())
    moving.at = datetime(2026, 11, 18, tzinfo=JST)
    after = fetch(url, **{"If-None-Match": before.headers["ETag"]})
    assert (after.status_code, expected("ryuto-nippo", "henoko-soft-ground", moving.now())) == (200, answer)
    assert b"<table" in before.content
    assert b"<table" not in after.content


def test_a_wall_goes_up_before_old_stories_too(moving: Newsstand) -> None:
    url = moving.url_of("pacific-ledger", "manila-radar-handover")
    moving.at = datetime(2026, 11, 17, tzinfo=JST)
    whole, open_answer = fetch(url), expected("pacific-ledger", "manila-radar-handover", moving.now())
    moving.at = datetime(2026, 11, 19, tzinfo=JST)
    walled, answer = fetch(url), expected("pacific-ledger", "manila-radar-handover", moving.now())
    assert open_answer is not None
    assert answer is not None
    assert (open_answer.access, answer.access) == (AccessStatus.FULL, AccessStatus.REGISTRATION)
    assert answer.paragraphs == open_answer.paragraphs[:2]
    assert len(walled.content) < len(whole.content)
    assert walled.headers["Last-Modified"] == "Wed, 18 Nov 2026 05:00:00 GMT"


def test_an_outage_ends(moving: Newsstand) -> None:
    statuses = []
    for day in (17, 18, 19, 20):
        moving.at = datetime(2026, 11, day, 12, tzinfo=JST)
        statuses.append(
            {
                fetch(moving.feed_url("strait-and-shore")).status_code,
                fetch(moving.addresses["strait-and-shore"]).status_code,
            }
        )
    assert statuses == [{200}, {503}, {503}, {200}]


# HTTP -----------------------------------------------------------------------------------------------------------


def test_what_the_client_has_is_not_sent_again(moving: Newsstand) -> None:
    url = moving.url_of("harbor-times", "ministers-date-two-plus-two")
    moving.at = datetime(2026, 11, 5, tzinfo=JST)
    for address in (url, moving.feed_url("harbor-times"), moving.feed_url("ryuto-nippo")):
        first = fetch(address)
        by_tag = fetch(address, **{"If-None-Match": first.headers["ETag"]})
        by_date = fetch(address, **{"If-Modified-Since": first.headers["Last-Modified"]})
        assert (by_tag.status_code, by_date.status_code) == (304, 304)
        assert by_tag.content == by_date.content == b""
        assert fetch(address, **{"If-None-Match": '"other"'}).status_code == 200
    had = fetch(url).headers
    moving.at = datetime(2026, 11, 7, tzinfo=JST)
    assert fetch(url, **{"If-None-Match": had["ETag"]}).status_code == 200
    assert fetch(url, **{"If-Modified-Since": had["Last-Modified"]}).status_code == 200


def test_gzip_only_when_accepted(newsstand: Newsstand) -> None:
    url = newsstand.url_of("meridian-asia", "rare-earth-swap")
    packed = fetch(url, **{"Accept-Encoding": "gzip"})
    plain = fetch(url, **{"Accept-Encoding": "identity"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert int(packed.headers["Content-Length"]) < int(plain.headers["Content-Length"]) == len(plain.content)
    assert packed.content == plain.content


def test_head_has_headers_and_no_body(newsstand: Newsstand) -> None:
    response = requests.head(newsstand.feed_url("pacific-ledger"), headers={"Connection": "close"}, timeout=10)
    assert response.status_code == 200
    assert int(response.headers["Content-Length"]) > 0
    assert response.content == b""


def test_the_access_log_says_who_asked_for_what() -> None:
    with Newsstand(END) as served:
        fetch(served.feed_url("harbor-times") + "?x=1", **{"User-Agent": "test/1", "If-None-Match": '"a"'})
        (line,) = served.requests
    assert (line.outlet_id, line.target, line.status) == ("harbor-times", "/feed/topstories/?x=1", 200)
    assert (line.method, line.user_agent, line.conditional, line.at) == ("GET", "test/1", True, END)


def test_closing_ends_open_connections_and_frees_the_ports() -> None:
    threads = threading.active_count()
    with Newsstand(END) as served:
        ports = served.ports
        address = served.feed_url("harbor-times")
        with requests.Session() as session:
            session.get(address, timeout=10)
            served.close()
            with pytest.raises(requests.ConnectionError):
                session.get(address, timeout=10)
    assert threading.active_count() == threads
    with Newsstand(END, ports=ports) as again:
        assert again.ports == ports
        assert again.feed_url("harbor-times") == address


def test_a_port_in_use_is_said_so() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"newsstand cannot listen: 127.0.0.1:{port}"):
            Newsstand(END, ports={"harbor-times": port})


def test_fixed_ports_are_consecutive_and_cover_all_outlets() -> None:
    ports = fixed_ports(8800)
    assert sorted(ports.values()) == list(range(8800, 8800 + len(load_world().outlets)))


# Feeds and sources ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outlet_id", [outlet_id for outlet_id in load_world().outlets if outlet_id != "kanto-signal"])
def test_feeds_list_what_is_published(newsstand: Newsstand, outlet_id: str) -> None:
    response = fetch(newsstand.feed_url(outlet_id))
    feed = feedparser.parse(response.content, response_headers={"content-type": response.headers["Content-Type"]})
    assert not feed.bozo, feed.get("bozo_exception")
    answers = {newsstand.url_of(outlet_id, answer.slug): answer for answer in ANSWERS if answer.outlet_id == outlet_id}
    links = [entry.link for entry in feed.entries]
    assert {link.partition("?")[0] for link in links} == set(answers)
    for entry in feed.entries:
        answer = answers[entry.link.partition("?")[0]]
        assert entry.title == answer.title
        assert entry.summary
        if newsstand.world.outlet(outlet_id).feed_dates == "none":
            assert "published" not in entry
            assert "updated" not in entry
        elif newsstand.world.outlet(outlet_id).feed_dates != "jst":  # an abbreviation that feedparser cannot read
            parsed = entry.get("published_parsed") or entry.updated_parsed
            assert datetime.fromtimestamp(timegm(parsed), UTC) == answer.published_at


def test_one_feed_offers_an_address_twice(newsstand: Newsstand) -> None:
    links = [entry.link for entry in feedparser.parse(fetch(newsstand.feed_url("harbor-times")).content).entries]
    tracked = [link for link in links if "utm_" in link]
    assert len(tracked) == 1
    assert tracked[0].partition("?")[0] in links
    assert fetch(tracked[0]).content == fetch(tracked[0].partition("?")[0]).content


def test_one_feed_is_dead(newsstand: Newsstand) -> None:
    assert fetch(newsstand.feed_url("kanto-signal")).status_code == 500


def test_sitemap_and_listing_name_the_stories(newsstand: Newsstand) -> None:
    entries = {entry["id"]: entry for entry in sources(newsstand)}
    sitemap = fetch(entries["meridian-asia"]["sitemaps"][0]).text
    listing = fetch(entries["aldine-center"]["listing"]).text
    for outlet_id, text in (("meridian-asia", sitemap), ("aldine-center", listing)):
        for answer in ARTICLES:
            if answer.outlet_id == outlet_id:
                assert newsstand.url_of(outlet_id, answer.slug) in text


def test_sources_are_valid_configuration(newsstand: Newsstand, tmp_path: Path) -> None:
    write_sources(newsstand, tmp_path / "sources.yaml")
    written = yaml.safe_load((tmp_path / "sources.yaml").read_text("utf-8"))
    catalogue = SourceCatalogue.model_validate(written)
    assert [source.id for source in catalogue.enabled()] == list(newsstand.addresses)
    for answer in ANSWERS:
        source = catalogue.by_host(newsstand.url_of(answer.outlet_id, answer.slug))
        assert source is not None
        assert source.id == answer.outlet_id


# By hand, and whose words ---------------------------------------------------------------------------------------


def free_ports(count: int) -> int:
    """The first of so many ports in a row that nobody has, below those that the system gives out."""
    for first in range(21000, 30000, count):
        with ExitStack() as taken:
            try:
                for port in range(first, first + count):
                    taken.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            return first
    raise AssertionError("no row of free ports")


def test_it_can_be_served_by_hand() -> None:
    outlets = list(load_world().outlets)
    command = [sys.executable, "-m", "alliancewatch.newsstand", "--at", "2026-11-08T12:00:00+09:00"]
    command += ["--port", str(free_ports(len(outlets)))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        addresses = [process.stdout.readline().split()[0] for _ in outlets]
        assert "Keen Sword opens" in fetch(addresses[outlets.index("harbor-times")]).text
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0


def test_no_sentence_is_taken_from_the_seeds(newsstand: Newsstand) -> None:
    seeds = sorted((SHARED / "seeds").glob("*.txt"))
    if not seeds:
        pytest.skip("../shared/seeds is not here: nothing to compare with")

    def shingles(text: str) -> set[tuple[str, ...]]:
        words = re.findall(r"[^\W_]+(?:['’.\-][^\W_]+)*", text.casefold())
        return {tuple(words[at : at + 8]) for at in range(len(words) - 7)}

    taken = set().union(*(shingles(path.read_text("utf-8")) for path in seeds))
    for answer in ARTICLES:
        if answer.lang == "en":
            page = page_text(fetch(newsstand.url_of(answer.outlet_id, answer.slug)).content, "utf-8")
            assert sorted(" ".join(words) for words in shingles(page) & taken) == [], name_of(answer)
