"""The one shape that feeds, sitemaps and listings are read into, and the candidates it holds."""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from alliancewatch.model import Candidate
from alliancewatch.urls import canonical_url

DocumentFormat = Literal["rss", "atom", "rdf", "json", "sitemap", "sitemapindex", "listing"]

_FIELD_MAX = 20_000
"""Characters of a field that are looked at."""
_UNREAD_ELEMENT = re.compile(r"<(script|style)\b[^<>]*>[^<]*(?:<(?!/\1)[^<]*)*(?:</\1\s*>|$)", re.IGNORECASE)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_BREAKING_TAG = re.compile(r"</?(?:br|p|div|li|ul|ol|tr|td|th|h[1-6]|hr|blockquote)\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|<[!?][^<>]*(?:>|$)")
_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """One item, with plain text in every field."""

    id: str | None = None
    title: str | None = None
    link: str | None = None
    """Absolute http(s) address, or None when the item has no such link."""
    published_at: datetime | None = None
    """As `published_raw` states it, future or not."""
    published_raw: str | None = None
    """The date as written: when it was published, else when it was last changed."""
    summary: str | None = None
    updated_raw: str | None = None


@dataclass(frozen=True, slots=True)
class FeedDocument:
    """What could be read of a feed, sitemap or listing page."""

    format: DocumentFormat | None = None
    """None when the bytes are something else, such as an error page."""
    title: str | None = None
    entries: tuple[FeedEntry, ...] = ()
    dropped: int = 0
    """Items seen and not read: beyond the limit, or cut off."""
    problems: tuple[str, ...] = ()
    """What was wrong with it, one plain sentence each."""
    children: tuple[str, ...] = ()
    """Addresses of further sitemaps, of a sitemap index."""

    @property
    def is_feed(self) -> bool:
        """Whether it is a feed at all; one without items is."""
        return self.format in ("rss", "atom", "rdf", "json")


def candidates_of(source_id: str, document: FeedDocument, *, found_in: str, found_at: datetime) -> list[Candidate]:
    """The entries that have a link as candidates, each address once, in the order of the document."""
    candidates: dict[str, Candidate] = {}
    for entry in document.entries:
        canonical = canonical_url(entry.link) if entry.link else None
        if entry.link is None or canonical is None or canonical in candidates:
            continue
        candidates[canonical] = Candidate(
            source_id=source_id,
            url=entry.link,
            canonical_url=canonical,
            found_in=found_in,
            found_at=found_at,
            guid=entry.id,
            title=entry.title,
            summary=entry.summary,
            published_at=entry.published_at,
            published_raw=entry.published_raw,
        )
    return list(candidates.values())


def without_unread(markup: str) -> str:
    """`markup` without comments, scripts and styles, in linear time."""
    # Only up to the last end of a comment, or each start without one would be searched for to the end.
    closed = markup.rfind("-->") + 3 if "-->" in markup else 0
    return _UNREAD_ELEMENT.sub(" ", _COMMENT.sub(" ", markup[:closed]) + markup[closed:])


def plain_text(markup: object, max_chars: int = 1000) -> str | None:
    """Text of a field without markup, entities (also encoded twice) or unseen characters; None when nothing is left."""
    if not isinstance(markup, str):
        return None
    text = markup[:_FIELD_MAX]
    for _ in range(3):
        plain = html.unescape(_TAG.sub("", _BREAKING_TAG.sub(" ", without_unread(text))))
        if plain == text:
            break
        text = plain
    text = " ".join(unicodedata.normalize("NFC", _UNSEEN.sub("", text)).split())
    return text[:max_chars].rstrip() or None
