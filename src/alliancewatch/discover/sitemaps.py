"""Sitemaps (sitemaps.org 0.9), with Google's news extension, and indexes of them."""

from __future__ import annotations

from xml.parsers import expat

from alliancewatch.dates import parse_date
from alliancewatch.discover.document import FeedDocument, FeedEntry, plain_text
from alliancewatch.discover.xml_text import MAX_DEPTH, read_xml, repaired
from alliancewatch.urls import resolve_url

_FIELDS = frozenset({"loc", "lastmod", "title", "publication_date"})


class _FullError(Exception):
    """Enough has been read."""


class _Reader:
    """Collects the fields of each `url` or `sitemap` element of one document."""

    def __init__(self, max_entries: int) -> None:
        self.max_entries = max_entries
        self.pages: list[dict[str, str]] = []
        self.children: list[dict[str, str]] = []
        self._path: list[str] = []
        self._fields: dict[str, str] = {}
        self._text: list[str] = []

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        self._path.append(name.rpartition(":")[2].lower())
        if len(self._path) > MAX_DEPTH:
            raise _FullError
        self._text.clear()

    def text(self, text: str) -> None:
        self._text.append(text)

    def end(self, _name: str) -> None:
        own = self._path.pop()
        parent = self._path[-1] if self._path else ""
        if own in ("url", "sitemap") and parent in ("urlset", "sitemapindex"):
            (self.children if own == "sitemap" else self.pages).append(self._fields)
            self._fields = {}
            if len(self.pages) + len(self.children) >= self.max_entries:
                raise _FullError
        elif own in _FIELDS and (parent in ("url", "sitemap") if own in ("loc", "lastmod") else parent == "news"):
            self._fields.setdefault(own, "".join(self._text).strip()[:4000])
        self._text.clear()


def read_sitemap(
    body: bytes, *, base_url: str | None = None, zone: str = "UTC", max_entries: int = 50_000
) -> FeedDocument:
    """The pages of a sitemap as entries, or the sitemaps of an index as `children`, as far as `body` is whole.

    `body` may be a gzip file. An entry's date is the news date, else the date of the last change. Never raises for what
    is in `body`; what is no sitemap has the format None.
    """
    document = read_xml(body, None)
    name = (document.root or "").rpartition(":")[2].lower()
    if name not in ("urlset", "sitemapindex"):
        reason = "an HTML page, not a sitemap" if document.is_html else "no sitemap in it"
        return FeedDocument(problems=(*document.problems, reason))
    problems = list(document.problems)
    reader = _parse(document.text, max_entries, problems)
    return FeedDocument(
        format="sitemap" if name == "urlset" else "sitemapindex",
        entries=tuple(entry for fields in reader.pages if (entry := _entry(fields, base_url, zone)) is not None),
        problems=tuple(problems),
        children=tuple(
            url for fields in reader.children if (url := resolve_url(fields.get("loc", ""), base_url)) is not None
        ),
    )


def _parse(text: str, max_entries: int, problems: list[str]) -> _Reader:
    for attempt in (text, None):
        reader = _Reader(max_entries)
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
        parser.CharacterDataHandler = reader.text
        try:
            parser.Parse((repaired(text) if attempt is None else attempt).encode("utf-8", "replace"), True)
        except _FullError:
            problems.append(f"only the first {max_entries:,} addresses are read")
        except expat.ExpatError:
            if attempt is not None:
                continue
            problems.append("not well-formed: read up to the mistake")
        break
    return reader


def _entry(fields: dict[str, str], base_url: str | None, zone: str) -> FeedEntry | None:
    link = resolve_url(fields.get("loc", ""), base_url)
    if link is None:
        return None
    changed = fields.get("lastmod") or None
    raw = fields.get("publication_date") or changed
    return FeedEntry(
        title=plain_text(fields.get("title")),
        link=link,
        published_at=parse_date(raw, zone) if raw else None,
        published_raw=raw,
        updated_raw=changed,
    )
