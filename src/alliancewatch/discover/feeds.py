"""Feeds of every kind and state as entries: RSS, Atom, RDF and JSON Feed, whole, broken or hostile.

feedparser reads the XML, from bytes that have been made safe first and never from an address. Its own dates are not
used: they lose the zone of half of Japan's feeds.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import feedparser

from alliancewatch.codings import charset_of
from alliancewatch.dates import parse_date
from alliancewatch.discover.document import DocumentFormat, FeedDocument, FeedEntry, plain_text
from alliancewatch.discover.xml_text import TooDeepError, error_offset, read_xml, repaired
from alliancewatch.extract.decode import decode
from alliancewatch.urls import resolve_url

_LOOSE_MAX = 1024 * 1024
"""Characters of broken markup that feedparser's forgiving parser is given; it is slow."""
_SUMMARY_MAX = 2000
_ITEM = re.compile(r"<(?:[A-Za-z_][\w.-]*:)?(?:item|entry)(?=[\s/>])", re.IGNORECASE)
_ITEM_END = re.compile(r"</(?:[A-Za-z_][\w.-]*:)?(?:item|entry)\s*>", re.IGNORECASE)
_CHANNEL = re.compile(r"<((?:[A-Za-z_][\w.-]*:)?channel)(?=[\s>])", re.IGNORECASE)


def read_feed(
    body: bytes,
    *,
    base_url: str | None = None,
    headers: Mapping[str, str] | None = None,
    zone: str = "UTC",
    max_entries: int = 2000,
) -> FeedDocument:
    """The entries of the feed in `body`, at most the first `max_entries`, which in a feed are the newest.

    `base_url` is the address it finally came from; `headers` are those it came with; `zone` holds for dates without
    one. Never raises for what is in `body`: a document that is no feed has the format None and says why in `problems`.
    Of a feed that was cut off the whole items are kept.
    """
    given = {name.lower(): value for name, value in (headers or {}).items()}
    if base_url is None:
        base_url = resolve_url(given.get("content-location", ""))
    declared = charset_of(given.get("content-type", ""))
    if not body.strip():
        return FeedDocument(problems=("nothing in the body",))
    if body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return _read_json(decode(body, declared).text, base_url, zone, max_entries)
    document = read_xml(body, declared)
    if document.root is None:
        reason = "an HTML page, not a feed" if document.is_html else "no feed in it"
        return FeedDocument(problems=(*document.problems, reason))
    kind = _format_of(document.root)
    if kind is None:
        return FeedDocument(problems=(*document.problems, f"a {document.root}, not a feed"))
    problems = list(document.problems)
    try:
        text, dropped = _made_whole(document.text, document.root, max_entries, problems)
    except TooDeepError as error:
        return FeedDocument(format=kind, problems=(*problems, str(error)))
    parsed = _parse(text)
    entries = tuple(_entry(item, base_url, zone) for item in parsed.entries[:max_entries])
    _say_bad_links(parsed.entries, entries, problems)
    return FeedDocument(
        format=kind,
        title=plain_text(dict.get(parsed.feed, "title")),
        entries=entries,
        dropped=dropped + len(parsed.entries) - len(entries),
        problems=tuple(problems),
    )


def _format_of(root: str) -> DocumentFormat | None:
    name = root.rpartition(":")[2].lower()
    formats: dict[str, DocumentFormat] = {"rss": "rss", "channel": "rss", "feed": "atom", "rdf": "rdf"}
    return formats.get(name)


def _made_whole(text: str, root: str, max_entries: int, problems: list[str]) -> tuple[str, int]:
    """`text` cut to what may be parsed and closed again, and how many items that leaves out."""
    starts = [match.start() for match in _ITEM.finditer(text)]
    dropped = 0
    if len(starts) > max_entries:
        dropped = len(starts) - max_entries
        problems.append(f"{len(starts):,} items: only the first {max_entries:,} are read")
        text = _closed(text[: starts[max_entries]], root)
    if error_offset(text) is None:
        return text, dropped
    text = repaired(text)
    offset = error_offset(text)
    if offset is None:
        problems.append("not well-formed, mended")
        return text, dropped
    is_cut_off = re.search(rf"</{re.escape(root)}\s*>", text[-4096:]) is None
    if not is_cut_off and len(text) <= _LOOSE_MAX:
        problems.append("not well-formed, read as well as could be")
        return text, dropped
    limit = len(text) if is_cut_off else len(text.encode("utf-8", "replace")[:offset].decode("utf-8", "ignore"))
    whole = [match.end() for match in _ITEM_END.finditer(text[:limit])]
    end = whole[-1] if whole else 0
    left_out = sum(1 for match in _ITEM.finditer(text) if match.start() >= end)
    problems.append("cut off: only whole items are kept" if is_cut_off else "not well-formed: read up to the mistake")
    if not whole:
        return _closed(text[:_LOOSE_MAX].partition("<item")[0].partition("<entry")[0], root), dropped + left_out
    text = _closed(text[:end], root)
    if len(text) > _LOOSE_MAX and (offset := error_offset(text)) is not None:
        kept = text.encode("utf-8", "replace")[:offset].decode("utf-8", "ignore")
        whole = [match.end() for match in _ITEM_END.finditer(kept)]
        text = _closed(kept[: whole[-1]] if whole else "", root)
    return text, dropped + left_out


def _closed(text: str, root: str) -> str:
    """`text`, which ends between two items, with its open elements closed."""
    channel = _CHANNEL.search(text) if root.lower() != "channel" else None
    is_open = channel is not None and f"</{channel[1]}" not in text
    return f"{text}{f'</{channel[1]}>' if channel and is_open else ''}</{root}>"


def _parse(text: str) -> Any:
    data = b'<?xml version="1.0" encoding="utf-8"?>\n' + text.encode("utf-8", "replace")
    # Without a base address, which would be put before each GUID too; as a stream, since bytes may name a file.
    headers = {"content-type": "application/xml; charset=utf-8"}
    return feedparser.parse(
        io.BytesIO(data), response_headers=headers, sanitize_html=False, resolve_relative_uris=False
    )


def _entry(item: Any, base_url: str | None, zone: str) -> FeedEntry:
    # `dict.get`, since feedparser's own look-up answers for one date with another.
    published, updated = dict.get(item, "published"), dict.get(item, "updated")
    raw = _date_text(published) or _date_text(updated) or _date_text(dict.get(item, "created"))
    content = dict.get(item, "content") or [{}]
    summary = plain_text(dict.get(item, "summary"), _SUMMARY_MAX) or plain_text(content[0].get("value"), _SUMMARY_MAX)
    return FeedEntry(
        id=plain_text(dict.get(item, "id")),
        title=plain_text(dict.get(item, "title")),
        link=_link(item, base_url),
        published_at=parse_date(raw, zone) if raw else None,
        published_raw=raw,
        summary=summary,
        updated_raw=_date_text(updated),
    )


def _link(item: Any, base_url: str | None) -> str | None:
    offered = [dict.get(item, "feedburner_origlink"), dict.get(item, "link")]
    offered += [
        link.get("href") for link in dict.get(item, "links") or [] if link.get("rel", "alternate") == "alternate"
    ]
    links = (resolve_url(link, base_url) for link in offered if isinstance(link, str) and link.strip())
    return next((link for link in links if link is not None), None)


def _date_text(value: object) -> str | None:
    return " ".join(value.split())[:200] or None if isinstance(value, str) else None


def _say_bad_links(items: Iterable[Any], entries: Iterable[FeedEntry], problems: list[str]) -> None:
    bad = sum(1 for item, entry in zip(items, entries, strict=False) if entry.link is None and dict.get(item, "links"))
    if bad:
        problems.append(f"{bad} links are no web addresses")


def _read_json(text: str, base_url: str | None, zone: str, max_entries: int) -> FeedDocument:
    try:
        data = json.loads(text.lstrip("\ufeff"))
    except (ValueError, RecursionError) as error:
        return FeedDocument(problems=(f"no feed in it: JSON that cannot be read: {type(error).__name__}",))
    items = data.get("items")
    if not isinstance(items, list) or "jsonfeed.org" not in str(data.get("version", "")):
        return FeedDocument(problems=("no feed in it: JSON of another kind",))
    problems = [f"{len(items):,} items: only the first {max_entries:,} are read"] if len(items) > max_entries else []
    entries = [_json_entry(item, base_url, zone) for item in items[:max_entries] if isinstance(item, dict)]
    return FeedDocument(
        format="json",
        title=plain_text(data.get("title")),
        entries=tuple(entries),
        dropped=len(items) - len(entries),
        problems=tuple(problems),
    )


def _json_entry(item: dict[str, Any], base_url: str | None, zone: str) -> FeedEntry:
    offered = [item.get("url"), item.get("external_url"), item.get("id")]
    links = (resolve_url(link, base_url) for link in offered[:2] if isinstance(link, str) and link.strip())
    link = next((link for link in links if link is not None), None)
    identity = item.get("id")
    updated = _date_text(item.get("date_modified"))
    raw = _date_text(item.get("date_published")) or updated
    texts = (plain_text(item.get(key), _SUMMARY_MAX) for key in ("summary", "content_text", "content_html"))
    return FeedEntry(
        id=plain_text(str(identity)) if isinstance(identity, str | int) else None,
        title=plain_text(item.get("title")),
        link=link or (resolve_url(identity) if isinstance(identity, str) else None),
        published_at=parse_date(raw, zone) if raw else None,
        published_raw=raw,
        summary=next((text for text in texts if text), None),
        updated_raw=updated,
    )
