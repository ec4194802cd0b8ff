"""Rows for digest tests: from `digests/week.yaml`, and one at a time with everything filled in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from alliancewatch.digest import Digest, DigestArticle, DigestSettings, SourceCoverage, build_digest
from alliancewatch.model import AccessStatus, Versions
from alliancewatch.week import parse_week

DIGESTS = Path(__file__).parent / "digests"
WEEK = parse_week("2026-W47")
TOPICS = {"alliance-diplomacy": "Alliance diplomacy", "force-posture": "Force posture and bases", "taiwan": "Taiwan"}
VERSIONS = Versions(program="0.1.0", extractor="1", rules="2", taxonomy="3")


def article(article_id: str = "a1", **changes: Any) -> DigestArticle:
    published_at = changes.pop("published_at", WEEK.start + timedelta(days=1))
    text = changes.get(
        "text", f"The alliance held talks about {article_id} in Tokyo on Monday. They went on for a day."
    )
    values: dict[str, Any] = {
        "article_id": article_id,
        "revision": 1,
        "source_id": "bay-ledger",
        "source_name": "The Bay Ledger",
        "url": f"https://bay-ledger.example/{article_id}",
        "title": f"Allies hold talks about {article_id}",
        "standfirst": None,
        "text": text,
        "lang": "en",
        "published_at": published_at,
        "first_seen_at": (published_at or WEEK.start + timedelta(days=1)) + timedelta(hours=1),
        "access": AccessStatus.FULL,
        "remaining_chars": None,
        "total_chars": None,
        "relevance": "relevant",
        "relevance_score": 0.8,
        "topics": (("alliance-diplomacy", 12.0),),
        "primary": "alliance-diplomacy",
        "content_hash": sha256(text.encode(errors="surrogatepass")).hexdigest(),
        "is_late": False,
        "redistribution": "extract",
    }
    return DigestArticle(**values | changes)


def coverage(source_id: str, **changes: Any) -> SourceCoverage:
    values: dict[str, Any] = {
        "name": source_id,
        "expected_per_week": None,
        "polls_ok": 0,
        "polls_failed": 0,
        "came": 0,
        "revised": 0,
        "partial": 0,
        "failed": (),
        "silent": False,
    }
    return SourceCoverage(source_id=source_id, **values | changes)


def digest_of(*articles: DigestArticle, **settings: Any) -> Digest:
    return build_digest(WEEK, WEEK.cut, articles, (), TOPICS, DigestSettings(**settings), VERSIONS)


def read_week(name: str = "week.yaml") -> tuple[list[DigestArticle], list[SourceCoverage], dict[str, str]]:
    """(articles, coverage, topics) as the file says."""
    data = yaml.safe_load((DIGESTS / name).read_text(encoding="utf-8"))
    sources = data["sources"]
    rows = []
    for given in data["articles"]:
        row = dict(given)
        source_id = row.pop("source")
        topics = tuple((topic_id, float(score)) for topic_id, score in row.pop("topics", ()))
        rows.append(
            article(
                row.pop("id"),
                source_id=source_id,
                source_name=sources[source_id]["name"],
                url=f"https://{source_id}.example/{given['id']}",
                redistribution=sources[source_id].get("redistribution", "extract"),
                topics=topics,
                primary=topics[0][0] if topics else None,
                access=AccessStatus(row.pop("access", "full")),
                published_at=_utc(row.pop("published_at", None)),
                text=row.pop("text").strip(),
                **({"first_seen_at": _utc(row.pop("first_seen_at"))} if "first_seen_at" in row else {}),
                **row,
            )
        )
    covered = [
        coverage(
            source_id,
            failed=tuple((reason, count) for reason, count in values.get("failed", ())),
            **{key: value for key, value in values.items() if key not in ("failed", "redistribution")},
        )
        for source_id, values in sources.items()
    ]
    return rows, covered, data["topics"]


def _utc(instant: datetime | None) -> datetime | None:
    return None if instant is None else instant.astimezone(UTC)
