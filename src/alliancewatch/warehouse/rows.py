"""Values as the rows they are stored as, and back."""

from __future__ import annotations

import json
import re
import unicodedata
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from alliancewatch.archive import Archive, RecordPlace
from alliancewatch.errors import ArchiveError, ArchiveGoneError
from alliancewatch.model import (
    Article,
    Candidate,
    CandidateOutcome,
    Capture,
    Evidence,
    Exchange,
    LabelledArticle,
    LostCapture,
    Poll,
)
from alliancewatch.urls import canonical_url

Row = dict[str, Any]

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(text: str) -> str:
    """The text with each NUL and lone surrogate as U+FFFD: DuckDB takes UTF-8, and offsets into the text stay true."""
    return _UNSTORABLE.sub("\ufffd", text)


def content_hash(article: Article) -> str:
    """Hex sha256 of title and text in NFC: two pages that say the same have the same."""
    said = f"{article.title or ''}\0{article.text}"
    return sha256(unicodedata.normalize("NFC", said).encode("utf-8", "surrogatepass")).hexdigest()


def json_text(value: object) -> str:
    """`value` as JSON that DuckDB can store. Raises `ValueError` for NaN and infinity, `TypeError` for other types."""
    return json.dumps(_clean(value), ensure_ascii=False, allow_nan=False)


def article_row(ordinal: int, labelled: LabelledArticle) -> Row:
    """A labelled article with its ledger and labels. Raises `TypeError` or `ValueError` when it cannot be stored."""
    article, labels = labelled.article, labelled.labels
    return {
        "ordinal": ordinal,
        "article_id": _text(labelled.article_id),
        "canonical_url": _text(article.url or labelled.url),
        "source_id": _text(labelled.source_id),
        "capture_id": _text(labelled.capture_id),
        "content_hash": content_hash(article),
        "url": _text(labelled.url),
        "aliases": [_text(labelled.url)],
        "first_seen_at": _instant(labelled.first_seen_at),
        "title": article.title,
        "standfirst": article.standfirst,
        "text": article.text,
        "byline": list(article.byline),
        "published_at": None if article.published_at is None else _instant(article.published_at),
        "published_offset": _offset_minutes(article.published_at),
        "published_raw": article.published_raw,
        "lang": _text(article.lang),
        "section": article.section,
        "paragraphs": [asdict(paragraph) for paragraph in article.paragraphs],
        "captions": list(article.captions),
        "author_bio": article.author_bio,
        "access_status": _text(article.access.status.value),
        "access_evidence": list(article.access.evidence),
        "remaining_chars": article.access.remaining_chars,
        "total_chars": article.access.total_chars,
        "repairs": [asdict(repair) for repair in article.repairs],
        "flags": list(article.flags),
        "provenance": [list(pair) for pair in article.provenance],
        "site_name": article.site_name,
        "removed": [
            {
                "position": position,
                "text": _text(removal.text),
                "kind": _text(removal.kind),
                "rule": _text(removal.rule),
                "evidence": _text(removal.evidence),
            }
            for position, removal in enumerate(article.removed, 1)
        ],
        "taxonomy_version": _text(labels.taxonomy_version),
        "relevance": _text(labels.relevance),
        "relevance_score": float(labels.relevance_score),
        "primary_topic": labels.primary,
        "relevance_evidence": _evidence(labels.relevance_evidence),
        "topics": [
            {
                "topic": _text(topic.topic_id),
                "position": position,
                "score": float(topic.score),
                "evidence": _evidence(topic.evidence),
            }
            for position, topic in enumerate(labels.topics, 1)
        ],
    }


def outcome_row(outcome: CandidateOutcome) -> Row:
    """How a candidate ended."""
    return {
        "source_id": outcome.source_id,
        "url": outcome.url,
        "canonical_url": canonical_url(outcome.url) or outcome.url,
        "outcome": outcome.outcome.value,
        "reason": outcome.reason,
        "capture_id": outcome.capture_id,
        "article_id": outcome.article_id,
        "revision": outcome.revision,
        "access": outcome.access.value if outcome.access else None,
        "found_in": outcome.found_in,
        "trace": outcome.trace,
    }


def poll_row(poll: Poll) -> Row:
    """One look at a feed."""
    return {**asdict(poll), "polled_at": _instant(poll.polled_at), "outcome": poll.outcome.value}


def capture_row(capture: Capture, place: RecordPlace | None) -> Row:
    """A capture without its body, and where in the archive that lies."""
    candidate = capture.candidate
    offered = candidate.canonical_url if candidate else canonical_url(capture.url) or capture.url
    return {
        "capture_id": capture.capture_id,
        "source_id": capture.source_id,
        "url": capture.url,
        "final_url": capture.final_url,
        "canonical_url": offered,
        "fetched_at": _instant(capture.fetched_at),
        "status": capture.status,
        "content_type": capture.content_type,
        "headers": [list(header) for header in capture.headers],
        "body_sha256": capture.body_sha256,
        "body_bytes": len(capture.body),
        "candidate": None if candidate is None else _candidate_row(candidate),
        "warc_file": place.file if place else None,
        "warc_offset": place.offset if place else None,
        "warc_length": place.length if place else None,
    }


def exchange_row(source_id: str, exchange: Exchange, same_as: str | None, place: RecordPlace | None) -> Row:
    """An exchange without its body, and where in the archive it lies; `same_as` holds the same body."""
    return {
        "exchange_id": exchange.exchange_id,
        "source_id": source_id,
        "kind": exchange.kind,
        "url": exchange.url,
        "asked_at": _instant(exchange.asked_at),
        "status": exchange.status,
        "content_type": header(exchange.headers, "content-type"),
        "headers": [list(pair) for pair in exchange.headers],
        "body_sha256": exchange.body_sha256,
        "body_bytes": len(exchange.body),
        "is_whole": exchange.is_whole,
        "same_as": same_as,
        "warc_file": place.file if place else None,
        "warc_offset": place.offset if place else None,
        "warc_length": place.length if place else None,
    }


def compressed(body: bytes) -> bytes:
    """A body as it is kept."""
    return zlib.compress(body, 6)


def capture_of(row: Mapping[str, Any], archive: Archive | None) -> Capture:
    """The capture of a stored row; a `LostCapture` when the archive does not give its body back."""
    offered = row["candidate"]
    capture = Capture(
        source_id=row["source_id"],
        url=row["url"],
        final_url=row["final_url"],
        fetched_at=utc(row["fetched_at"]),
        status=row["status"],
        content_type=row["content_type"],
        headers=headers_of(row["headers"]),
        body=b"",
        candidate=None if offered is None else _candidate_of(json.loads(offered)),
    )
    try:
        return replace(capture, body=_body_of(row, archive))
    except ArchiveError as error:
        kept = {field.name: getattr(capture, field.name) for field in fields(capture)}
        return LostCapture(
            **kept,
            lost_id=row["capture_id"],
            problem=error.message,
            is_gone=isinstance(error, ArchiveGoneError),
        )


def _body_of(row: Mapping[str, Any], archive: Archive | None) -> bytes:
    if row["body_zlib"] is not None:
        return zlib.decompress(row["body_zlib"])
    place = RecordPlace(row["warc_file"], row["warc_offset"], row["warc_length"])
    if archive is None:
        raise ArchiveGoneError(f"no archive is given: `{place.file}` at {place.offset}")
    return archive.read(place, body_sha256=row["body_sha256"])


def headers_of(text: str) -> tuple[tuple[str, str], ...]:
    """Headers as they were received, of their stored form."""
    return tuple((name, value) for name, value in json.loads(text))


def header(headers: Iterable[tuple[str, str]], name: str) -> str | None:
    """The first header of that name, in any case."""
    return next((value for key, value in headers if key.lower() == name), None)


def utc(moment: datetime) -> datetime:
    """The instant in UTC."""
    return moment.astimezone(UTC)


def _candidate_row(candidate: Candidate) -> Row:
    row = asdict(candidate)
    row["found_at"] = _instant(candidate.found_at)
    row["published_at"] = None if candidate.published_at is None else _instant(candidate.published_at)
    return row


def _candidate_of(row: Row) -> Candidate:
    published_at = row["published_at"]
    return Candidate(
        **{
            **row,
            "found_at": utc(datetime.fromisoformat(row["found_at"])),
            "published_at": None if published_at is None else utc(datetime.fromisoformat(published_at)),
        }
    )


def _evidence(hits: Sequence[Evidence]) -> list[Row]:
    return [asdict(hit) for hit in hits]


def _text(value: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} where a text is expected")
    return value


def _instant(moment: datetime) -> str:
    if moment.utcoffset() is None:
        raise ValueError(f"{moment!r} has no time zone")
    return moment.isoformat()


def _offset_minutes(moment: datetime | None) -> int | None:
    offset = moment.utcoffset() if moment is not None else None
    return None if offset is None else int(offset.total_seconds() // 60)


def _clean(value: object) -> object:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value
