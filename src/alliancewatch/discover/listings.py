"""Listing pages: the links of a section or archive page that lead to articles."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from bs4 import BeautifulSoup
from bs4.element import Tag
from soupsieve import SelectorSyntaxError

from alliancewatch.discover.document import FeedDocument, FeedEntry, plain_text, without_unread
from alliancewatch.errors import UsageError
from alliancewatch.extract.decode import decode
from alliancewatch.urls import canonical_url, host_matches, host_of, resolve_url

_MAX_CHARACTERS = 1_000_000
_SECTION = re.compile(
    r"/(?:tags?|topics?|categor(?:y|ies)|authors?|people|staff|writers?|search|login|signin|register|subscri\w*|account|"
    r"help|about|contact|privacy|terms|rss|feeds?|page|sitemap|wp-admin|wp-login\.php|video|photos?|gallery)(?:/|$)",
    re.IGNORECASE,
)
_DATE = re.compile(r"/(?:19|20)\d\d[/-]?(?:0[1-9]|1[0-2])(?:[/-]|\d\d|$)")
_NUMBER = re.compile(r"\d{5,}")
_SLUG = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+){3,}")
_DOCUMENT = re.compile(r"\d[^/]*\.(?:html?|php|aspx?)$|/[^/]*\d[^/]*/?$", re.IGNORECASE)
_OTHER_FILE = re.compile(
    r"\.(?:pdf|jpe?g|png|gif|svg|webp|mp[34]|zip|docx?|xlsx?|pptx?|xml|rss|css|js|ics)$", re.IGNORECASE
)
_MAX_DEPTH = 200
_WHOLE_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9:-]{0,30})(?=[\s/>])(?:[^<>\"']|\"[^<\"]*\"|'[^<']*')*>")
_VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"})
_EAST_ASIAN = re.compile("[ぁ-ヿ一-鿿]")


def read_listing(
    body: bytes, *, base_url: str, charset: str | None = None, selector: str | None = None, max_entries: int = 200
) -> FeedDocument:
    """The article links of the listing page in `body`, in page order, with their text as the title.

    With `selector` (CSS) it is every link the selector finds or that lies in what it finds. Without, a link counts
    when it stays on the site of `base_url`, is no section, tag or account page, its text is as long as a headline
    (four words, or eight characters of Japanese), and its path carries a date, a long number, a slug of four
    words or more, or ends in a numbered document. Raises `UsageError` for a selector that is none.
    """
    text = decode(body, charset).text
    problems = []
    if len(text) > _MAX_CHARACTERS:
        problems.append(f"{len(text):,} characters: only the first {_MAX_CHARACTERS:,} are read")
        text = text[:_MAX_CHARACTERS]
    entries: dict[str, FeedEntry] = {}
    home = canonical_url(base_url)
    for anchor in _anchors(text, selector):
        if len(entries) >= max_entries:
            problems.append(f"only the first {max_entries:,} links are read")
            break
        link = resolve_url(str(anchor.get("href", "")), base_url)
        title = plain_text(anchor.get_text(" "))
        canonical = canonical_url(link) if link else None
        if link is None or canonical is None or canonical == home:
            continue
        if selector is None and not (_is_headline(title) and _is_article(link, base_url)):
            continue
        if canonical not in entries or (entries[canonical].title is None and title):
            entries[canonical] = FeedEntry(title=title, link=link)
    return FeedDocument(format="listing", entries=tuple(entries.values()), problems=tuple(problems))


def _anchors(text: str, selector: str | None) -> list[Tag]:
    page = BeautifulSoup(_tamed(text), "html.parser")
    if selector is None:
        return list(page.find_all("a", href=True))
    try:
        found = page.select(selector)
    except SelectorSyntaxError:
        raise UsageError(f"listing selector: {selector!r} is no CSS selector") from None
    anchors = [anchor for element in found for anchor in ([element] if element.name == "a" else element.find_all("a"))]
    return [anchor for anchor in anchors if anchor.get("href")]


def _tamed(text: str) -> str:
    """`text` with whole tags only, no anchor in an anchor, and none nested deeper than `_MAX_DEPTH`.

    html.parser takes quadratic time on tags without end, BeautifulSoup on deep trees.
    """
    text = without_unread(text)
    pieces: list[str] = []
    position, depth, in_anchor = 0, 0, False
    for tag in _WHOLE_TAG.finditer(text):
        pieces.append(text[position : tag.start()].replace("<", "&lt;"))
        position = tag.end()
        is_end, is_anchor = bool(tag[1]), tag[2].lower() == "a"
        if is_anchor:
            pieces += (["</a>"] if in_anchor else []) + ([] if is_end else [tag[0]])
            in_anchor = not is_end
        elif tag[2].lower() in _VOID or (0 if is_end else -1) < depth < _MAX_DEPTH + is_end:
            pieces.append(tag[0])
        if not is_anchor and tag[2].lower() not in _VOID:
            depth = max(0, depth - 1) if is_end else depth + 1
    pieces.append(text[position:].replace("<", "&lt;"))
    return "".join(pieces)


def _is_headline(title: str | None) -> bool:
    if title is None:
        return False
    return len(_EAST_ASIAN.findall(title)) >= 8 or len(title.split()) >= 4


def _is_article(link: str, base_url: str) -> bool:
    host, own = host_of(link), host_of(base_url)
    if host is None or own is None or not (host_matches(host, own.removeprefix("www."))):
        return False
    path = urlsplit(link).path
    if _SECTION.search(path) or _OTHER_FILE.search(path):
        return False
    return bool(_DATE.search(path) or _NUMBER.search(path) or _SLUG.search(path) or _DOCUMENT.search(path))
