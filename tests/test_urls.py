"""Which spellings are one article, and which are not."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alliancewatch.model import article_id_of
from alliancewatch.urls import canonical_url, host_matches, host_of, resolve_url

SAME = [
    ("HTTPS://Example.JP/a", "https://example.jp/a"),
    ("https://example.jp:443/a", "https://example.jp/a"),
    ("http://example.jp:80", "http://example.jp/"),
    ("https://example.jp:8443/a", "https://example.jp:8443/a"),
    ("https://example.jp./a", "https://example.jp/a"),
    ("https://example.jp/a#section-2", "https://example.jp/a"),
    ("https://example.jp", "https://example.jp/"),
    ("https://example.jp?x=1", "https://example.jp/?x=1"),
    ("https://日本経済.jp/記事", "https://xn--wgv71as4mv4q.jp/%E8%A8%98%E4%BA%8B"),
    ("https://example.jp/%7euser/%e8%a8%98", "https://example.jp/~user/%E8%A8%98"),
    ("https://example.jp/a/./b/../c", "https://example.jp/a/c"),
    ("https://example.jp/a/%2e%2e/c", "https://example.jp/c"),
    ("https://example.jp/../../a/..", "https://example.jp/"),
    ("https://example.jp/a b", "https://example.jp/a%20b"),
    ("https://example.jp/100%", "https://example.jp/100%25"),
    ("  https://example.jp/a\n", "https://example.jp/a"),
    ("https://example.jp/a\t\nb", "https://example.jp/ab"),
    ("https://example.jp/?utm_source=rss&id=7&UTM_Medium=x&fbclid=abc", "https://example.jp/?id=7"),
    ("https://example.jp/?b=2&a=1&gclid=x", "https://example.jp/?b=2&a=1"),
    ("https://example.jp/s?n_cid=DSREA001", "https://example.jp/s"),
    ("https://example.jp/s?iref=comtop_Politics_01", "https://example.jp/s"),
    ("https://example.jp/s?ref=rss", "https://example.jp/s"),
    ("https://example.jp/s?", "https://example.jp/s"),
    ("https://example.jp/s?&&a=1&", "https://example.jp/s?a=1"),
    ("https://example.jp/2026/11/22/talks-in-tokyo/amp/", "https://example.jp/2026/11/22/talks-in-tokyo/"),
    ("https://example.jp/news/a-1/amp", "https://example.jp/news/a-1"),
    ("https://example.jp/news/123.amp.html", "https://example.jp/news/123.html"),
    ("https://example.jp/a-1?amp=1", "https://example.jp/a-1"),
    ("https://www.google.com/amp/s/example.jp/news/1", "https://example.jp/news/1"),
    ("https://example-jp.cdn.ampproject.org/c/s/example.jp/news/1?amp=1", "https://example.jp/news/1"),
    ("https://user:secret@example.jp/a", "https://example.jp/a"),
    ("https://nikkei.example@evil.example/a", "https://evil.example/a"),
    ("https:\\\\example.jp\\a", "https://example.jp/a"),
    ("http://[2001:DB8:0:0::1]:80/", "http://[2001:db8::1]/"),
    ("https://example.jp/a;jsessionid=1F2E", "https://example.jp/a"),
]


@pytest.mark.parametrize(("url", "expected"), SAME)
def test_spellings_of_one_article_fold(url: str, expected: str) -> None:
    assert canonical_url(url) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://example.jp/A", "https://example.jp/a"),
        ("https://example.jp/a%2Fb", "https://example.jp/a/b"),
        ("https://example.jp/?id=1", "https://example.jp/?id=2"),
        ("https://example.jp/?a=1&b=2", "https://example.jp/?b=2&a=1"),
        ("https://example.jp/?q=a%26b", "https://example.jp/?q=a&b"),
        ("https://example.jp/a", "https://example.jp/a/"),
        ("https://example.jp/a", "https://www.example.jp/a"),
        ("https://example.jp/a", "https://example.jp:8443/a"),
        ("https://example.jp/a//b", "https://example.jp/a/b"),
        ("https://example.jp/tag/amp", "https://example.jp/tag"),
        ("https://example.jp/?ref=main", "https://example.jp/"),
        ("https://example.jp/?source=7", "https://example.jp/"),
        ("https://example.jp/?p=1", "https://example.jp/"),
    ],
)
def test_what_matters_stays_apart(one: str, other: str) -> None:
    assert canonical_url(one) != canonical_url(other)


@pytest.mark.parametrize(
    "url",
    [
        *("", "a", "/a", "//example.jp/a", "mailto:a@example.jp", "javascript:alert(1)", "data:text/html,x"),
        *("ftp://a/b", "file:///etc/passwd", "http://", "http://:80/", "http:///a", "https://a b/", "https://a..b/"),
        *("http://a:99999/", "http://a:x/", "http://[::1/", "http://[zz]/", "http://a\x00b/", "http://%00/"),
        "http://" + "a" * 64 + ".jp/",
    ],
)
def test_what_is_no_web_address_is_none(url: str) -> None:
    assert canonical_url(url) is None
    assert host_of(url) is None


urls = st.builds(
    lambda scheme, host, rest: f"{scheme}://{host}{rest}",
    st.sampled_from(["http", "HTTPS", "https"]),
    st.one_of(
        st.sampled_from(["example.jp", "EXAMPLE.jp:443", "日本.jp", "u@a.jp", "www.google.com/amp/s", "[::1]"]),
        st.text(),
    ),
    st.one_of(st.text(), st.text(alphabet="/.%2eEfF?&=#amp;a-1\\ \u65e5\ud800")),
)


@given(st.one_of(st.text(), urls))
@example("https://a.jp/a-1/amp/amp")
@example("https://www.google.com/amp/s/www.google.com/amp/s/a.jp")
@example("https://a.jp/%252e%2e/;jsessionid=1;jsessionid=2")
@example("https://a.jp/;jsessionid=/../x")
def test_canonical_url_is_idempotent_and_never_raises(url: str) -> None:
    once = canonical_url(url)
    if once is not None:
        assert canonical_url(once) == once
        assert once.isascii()
        assert host_of(once) is not None


def test_a_long_hostile_address_takes_linear_time() -> None:
    assert canonical_url("https://a.jp/" + "a/../" * 100_000) == "https://a.jp/"
    assert canonical_url("https://a.jp/" + "www.google.com/amp/s/" * 20_000) is not None
    assert canonical_url("https://" + "www.google.com/amp/s/" * 20_000) is not None
    assert canonical_url("https://a.jp/x-1-" + "/amp" * 50_000) is not None


def test_one_article_under_http_and_https() -> None:
    http, https = canonical_url("http://example.jp/a"), canonical_url("https://example.jp/a")
    assert http is not None
    assert https is not None
    assert article_id_of(http) == article_id_of(https)


def test_host_matches_whole_labels() -> None:
    assert host_matches("www.mod.go.jp", "mod.go.jp")
    assert host_matches("MOD.go.jp.", "mod.go.jp")
    assert host_matches("www.日本.jp", "日本.jp")
    assert not host_matches("xmod.go.jp", "mod.go.jp")
    assert not host_matches("mod.go.jp", "www.mod.go.jp")
    assert not host_matches("", "mod.go.jp")
    assert not host_matches("mod.go.jp", "")


def test_a_homograph_shows_as_punycode() -> None:
    assert host_of("https://www.аsahi.com/") == "www.xn--sahi-43d.com"


@pytest.mark.parametrize(
    ("link", "base", "expected"),
    [
        ("/a", "https://example.jp/feed/", "https://example.jp/a"),
        ("a?b#c", "https://example.jp/feed/", "https://example.jp/feed/a?b"),
        ("//other.jp/a", "https://example.jp/feed", "https://other.jp/a"),
        (" https://example.jp/a b ", None, "https://example.jp/a%20b"),
        ("https://example.jp/%e8", None, "https://example.jp/%e8"),
        ("/a", None, None),
        ("javascript:alert(1)", "https://example.jp/", None),
        ("data:text/html,x", "https://example.jp/", None),
        ("file:///etc/passwd", "https://example.jp/", None),
        ("http://[::1", "https://example.jp/", None),
    ],
)
def test_links_are_made_absolute(link: str, base: str | None, expected: str | None) -> None:
    assert resolve_url(link, base) == expected
