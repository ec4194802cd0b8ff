"""RFC 9309 as sites write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alliancewatch.robots import RobotsRules, robots_allows

AGENT = "AllianceWatch"
OURS = "AllianceWatch/1.0 (+https://example.jp/bot)"


def allows(text: str | bytes, path: str, agent: str = AGENT) -> bool:
    return robots_allows(text, agent, f"https://example.jp{path}")


@pytest.mark.parametrize(
    ("rules", "path", "expected"),
    [
        ("Disallow: /x/page.html\nAllow: /x/", "/x/page.html", False),
        ("Allow: /x/page.html\nDisallow: /x/", "/x/page.html", True),
        ("Allow: /x\nDisallow: /x", "/x/1", True),
        ("Disallow:", "/", True),
        ("Disallow: /\nAllow: /$", "/", True),
        ("Disallow: /\nAllow: /$", "/a", False),
        ("Disallow: /*.pdf$", "/a/b.pdf", False),
        ("Disallow: /*.pdf$", "/a/b.pdf?x", True),
        ("Disallow: /a*b*c", "/a1b2c3", False),
        ("Disallow: /X", "/x", True),
        ("Disallow: /記事", "/%E8%A8%98%E4%BA%8B/1", False),
        ("Disallow: /%e8%a8%98", "/記事", False),
        ("Disallow: /a%2Fb", "/a/b", True),
        ("Disallow: /path;p?q", "/path;p?q#f", False),
        ("Disallow: /search?", "/search?q=1", False),
        ("Disallow: //b", "//b", False),
        ("Disallow /a", "/a", False),
        ("Dissallow: /a", "/a", False),
        ("disallow: /a # why", "/a", False),
        ("# Disallow: /", "/a", True),
        ("Allow: /d/index.html\nDisallow: /", "/d/", True),
    ],
)
def test_the_longest_matching_rule_decides(rules: str, path: str, expected: bool) -> None:
    assert allows(f"User-agent: *\n{rules}\n", path) is expected


@pytest.mark.parametrize(
    ("text", "agent", "expected"),
    [
        ("User-agent: *\nDisallow: /\n\nUser-agent: AllianceWatch\nDisallow:\n", AGENT, True),
        ("User-agent: AllianceWatch\nDisallow:\n\nUser-agent: *\nDisallow: /\n", OURS, True),
        ("User-agent: alliancewatch\nDisallow: /\n", OURS, False),
        ("User-agent: AllianceWatch/9.9 (x)\nDisallow: /\n", AGENT, False),
        ("User-agent: Alliance\nDisallow: /\n", AGENT, True),
        ("User-agent: AllianceWatchBot\nDisallow: /\n", AGENT, True),
        ("User-agent: Watch\nDisallow: /\n", AGENT, True),
        ("User-agent: a\nUser-agent: AllianceWatch\nDisallow: /\n", AGENT, False),
        ("User-agent: AllianceWatch\nDisallow: /x\n\nUser-agent: alliancewatch\nDisallow: /a", AGENT, False),
        ("User-agent: *\nCrawl-delay: 3\nUser-agent: b\nDisallow: /\n", AGENT, False),
        ("User-agent: *\nSitemap: https://example.jp/s.xml\nDisallow: /\n", AGENT, False),
        ("Disallow: /\nUser-agent: *\nDisallow: /b\n", AGENT, True),
        ("User-agent:\nDisallow: /\n", AGENT, True),
        ("User-agent: *\nDisallow: /\n", "", False),
    ],
)  # fmt: skip
def test_the_group_that_names_us_decides(text: str, agent: str, expected: bool) -> None:
    assert allows(text, "/a", agent) is expected


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff", "\n\n"])
def test_line_ends_and_byte_order_marks(end: str, mark: str) -> None:
    text = mark + end.join(["User-agent: *", "Disallow: /a", ""])
    assert not allows(text, "/a")
    assert not allows(text.encode(), "/a")


def test_a_separator_inside_a_line_ends_no_line() -> None:
    assert not allows("User-agent: *\nDisallow: /\x0b\u2028# x\n", "/a")


def test_html_is_no_robots_txt() -> None:
    assert allows("<html><pre>\nUser-agent: *\nDisallow: /\n</pre></html>", "/a")


def test_delays() -> None:
    rules = RobotsRules(
        "User-agent: *\nCrawl-delay: 2\nDisallow: /x\n\nUser-agent: AllianceWatch\nRequest-rate: 1/30s\n"
    )
    assert rules.delay_s("Other") == 2
    assert rules.delay_s(OURS) == 30
    assert RobotsRules("User-agent: *\nCrawl-delay: soon\n").delay_s(AGENT) is None
    assert RobotsRules("").delay_s(AGENT) is None


@given(st.one_of(st.text(), st.binary()), st.text(), st.text())
def test_any_text_is_answered(text: str | bytes, agent: str, url: str) -> None:
    assert robots_allows(text, agent, url) in (True, False)


lines = st.lists(
    st.sampled_from(["User-agent: *", "User-agent: a", "Disallow: /", "Allow: /a*b$", "Disallow: /[", "x"])
)


@given(lines, st.sampled_from(["http://[::1", "http://a/[", "//", "", "http://a?%zz", "\ud800"]))
def test_odd_addresses_are_answered(rules: list[str], url: str) -> None:
    assert robots_allows("\n".join(rules), "a", url) in (True, False)


def test_a_hostile_file_takes_little_time() -> None:
    assert allows("User-agent: *\nDisallow: /" + "*a" * 8_000 + "b\n", "/" + "a" * 2_000)
    assert allows("User-agent: *\n" + "Disallow: /*x*y*z\n" * 20_000, "/" + "xy" * 1_000)
