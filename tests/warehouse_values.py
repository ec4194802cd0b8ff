"""Values for warehouse tests, and the writers that the crash and lock tests run as processes of their own."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from alliancewatch.model import (
    Access,
    AccessStatus,
    Article,
    Candidate,
    Capture,
    Evidence,
    LabelledArticle,
    Labels,
    Paragraph,
    Removal,
    Run,
    TopicLabel,
    Versions,
    article_id_of,
)
from alliancewatch.sources import Source
from alliancewatch.warehouse import Warehouse

NOW = datetime(2026, 11, 18, 3, 0, tzinfo=UTC)
FEED = "https://bay-ledger.example/feed.xml"
VERSIONS = Versions(program="0.1.0", extractor="1", rules="2", taxonomy="3")


def source(source_id: str = "bay-ledger", **changes: Any) -> Source:
    values: dict[str, Any] = {
        "id": source_id,
        "name": "The Bay Ledger",
        "kind": "newspaper",
        "country": "JP",
        "lang": "en",
        "homepage": "https://bay-ledger.example/",
        "feeds": [FEED],
        "enabled": True,
        "expected_per_week": 5,
    }
    return Source(**values | changes)


def run(run_id: str = "run-1", started_at: datetime = NOW) -> Run:
    return Run(run_id=run_id, kind="ingest", started_at=started_at, versions=VERSIONS)


def capture(number: int = 1, body: bytes = b"<p>Text</p>", fetched_at: datetime = NOW, **changes: Any) -> Capture:
    url = f"https://bay-ledger.example/{number}"
    candidate = Candidate("bay-ledger", url, url, FEED, fetched_at, title="Offered", published_at=fetched_at)
    values: dict[str, Any] = {
        "source_id": "bay-ledger",
        "url": url,
        "final_url": url,
        "fetched_at": fetched_at,
        "status": 200,
        "content_type": "text/html",
        "headers": (("Content-Type", "text/html"), ("ETag", f'"{number}"')),
        "body": body,
        "candidate": candidate,
    }
    return Capture(**values | changes)


def article(url: str, text: str = "Talks were held.", title: str | None = "Talks held", **changes: Any) -> Article:
    values: dict[str, Any] = {
        "url": url,
        "title": title,
        "standfirst": None,
        "byline": ("A. Writer",),
        "published_at": NOW - timedelta(hours=2),
        "published_raw": "18 November 2026",
        "lang": "en",
        "section": None,
        "paragraphs": (Paragraph("p", text),),
        "captions": (),
        "author_bio": None,
        "access": Access(AccessStatus.FULL),
        "removed": (Removal("Share this", "SHARE", "share-bar", "share"), Removal("Menu", "NAV", "nav", "nav")),
    }
    return Article(**values | changes)


def labels(taxonomy_version: str = "3", **changes: Any) -> Labels:
    values: dict[str, Any] = {
        "relevance": "relevant",
        "relevance_score": 0.9,
        "topics": (
            TopicLabel("alliance-diplomacy", 9.0, (Evidence("talks", "title", 0, 5),)),
            TopicLabel("force-posture", 3.0, ()),
        ),
        "primary": "alliance-diplomacy",
        "taxonomy_version": taxonomy_version,
    }
    return Labels(**values | changes)


def labelled(
    kept: Capture, text: str = "Talks were held.", title: str | None = "Talks held", **changes: Any
) -> LabelledArticle:
    values: dict[str, Any] = {
        "source_id": kept.source_id,
        "article_id": article_id_of(kept.url),
        "capture_id": kept.capture_id,
        "url": kept.url,
        "first_seen_at": kept.fetched_at,
        "article": article(kept.url, text, title),
        "labels": labels(),
        "found_in": FEED,
    }
    return LabelledArticle(**values | changes)


def write_batches(path: Path, name: str, first: int, batches: int, size: int) -> None:
    """Appends batches of new articles and says `ACK <number>` of each article once the call is back."""
    warehouse = Warehouse(path, wait_s=60)
    warehouse.begin_run(run(name), configs={}, sources=[], recorded_at=NOW)
    for batch in range(batches):
        numbers = range(first + batch * size, first + (batch + 1) * size)
        captures = [capture(number, body=b"<p>" + b"word " * 400) for number in numbers]
        warehouse.append_captures(name, captures, recorded_at=NOW)
        warehouse.append_results(
            name, [labelled(kept, f"Text {kept.url} " * 100) for kept in captures], versions=VERSIONS, recorded_at=NOW
        )
        sys.stdout.write("".join(f"ACK {number}\n" for number in numbers))
        sys.stdout.flush()


if __name__ == "__main__":
    write_batches(Path(sys.argv[1]), sys.argv[2], *(int(argument) for argument in sys.argv[3:]))
