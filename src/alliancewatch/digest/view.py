"""The digest in the words and figures a reader sees, the same for HTML and plain text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from alliancewatch.digest.labels import LABELS, Language, day, minute, span
from alliancewatch.digest.model import Digest, DigestItem, Headline, Section, SourceCoverage
from alliancewatch.model import AccessStatus
from alliancewatch.week import dated_at

_LISTED_SOURCES = 15


@dataclass(frozen=True, slots=True)
class ItemView:
    """One article: what is written above, in and below its quotation."""

    item: DigestItem
    date: str
    badge: str | None
    note: str | None
    quotation: str | None


@dataclass(frozen=True, slots=True)
class SectionView:
    """One topic with as many articles as there is room for."""

    topic_id: str
    name: str
    items: tuple[ItemView, ...]
    total: int
    more: int
    bar: int
    """Length of its bar in percent of the longest."""


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One source that brought something."""

    name: str
    came: int
    expected: str
    revised: int
    partial: int
    bar: int


@dataclass(frozen=True, slots=True)
class DigestView:
    """Everything the templates print."""

    digest: Digest
    labels: dict[str, str]
    span: str
    as_of: str
    figures: tuple[tuple[str, int], ...]
    sections: tuple[SectionView, ...]
    late: SectionView | None
    noted: tuple[Headline, ...]
    left_out: tuple[tuple[str, int], ...]
    sources: tuple[SourceRow, ...]
    more_sources: int
    failing: tuple[tuple[str, str], ...]
    more_failing: int
    silent: str
    not_due: str
    made_by: str


def digest_view(digest: Digest, *, room: int | None = None) -> DigestView:
    """The view of a digest; `room` limits the articles of each section and the headlines of each list."""
    language = digest.language
    labels = dict(LABELS[language])
    counts, left_out, versions = digest.counts, digest.left_out, digest.versions
    highest = max((_total(section) for section in digest.sections), default=1)
    came = sorted((s for s in digest.coverage if s.came or s.revised), key=lambda s: (-s.came, -s.revised, s.source_id))
    most = max((source.came for source in came), default=1) or 1
    failing = [source for source in digest.coverage if source.polls_failed or source.failed]
    return DigestView(
        digest=digest,
        labels=labels,
        span=span(digest.start_at, digest.end_at, language),
        as_of=minute(digest.as_of, language),
        figures=(
            (labels["read"], counts.read),
            (labels["relevant"], counts.relevant),
            (labels["borderline"].capitalize(), counts.borderline),
            (labels["irrelevant"].capitalize(), counts.irrelevant),
            (labels["partial"], counts.partial),
            (labels["shown"], counts.shown),
        ),
        sections=tuple(_section(section, digest, room, highest) for section in digest.sections),
        late=_section(digest.late, digest, room, highest) if digest.late else None,
        noted=digest.noted[:room],
        left_out=tuple(
            (labels[f"left_{name}"], count)
            for name, count in (
                ("irrelevant", left_out.irrelevant),
                ("borderline", left_out.borderline + len(digest.noted) - len(digest.noted[:room])),
                ("over_limit", left_out.over_limit),
                ("outside_week", left_out.outside_week),
                ("after_as_of", left_out.after_as_of),
                ("superseded", left_out.superseded),
            )
            if count
        ),
        sources=tuple(_source_row(source, most) for source in came[:_LISTED_SOURCES]),
        more_sources=len(came[_LISTED_SOURCES:]),
        failing=tuple((source.name, _reasons(source, labels)) for source in failing[:_LISTED_SOURCES]),
        more_failing=len(failing[_LISTED_SOURCES:]),
        silent=_names([source for source in digest.coverage if source.silent]),
        not_due=_names(
            [s for s in digest.coverage if not (s.came or s.revised or s.silent or s.polls_failed or s.failed)]
        ),
        made_by=(
            f"{labels['made_by']} {versions.program} · {labels['extractor']} {versions.extractor}"
            f" · {labels['rules']} {versions.rules} · {labels['taxonomy']} {versions.taxonomy}"
        ),
    )


def _total(section: Section) -> int:
    return len(section.items) + len(section.more)


def _section(section: Section, digest: Digest, room: int | None, highest: int) -> SectionView:
    shown = section.items[:room]
    return SectionView(
        topic_id=section.topic_id,
        name=section.name,
        items=tuple(_item(item, digest) for item in shown),
        total=_total(section),
        more=_total(section) - len(shown),
        bar=max(2, round(100 * _total(section) / highest)),
    )


def _item(item: DigestItem, digest: Digest) -> ItemView:
    may_quote = item.redistribution == "extract"
    return ItemView(
        item,
        date=_date(item, digest),
        badge=_badge(item, digest.language),
        note=None if may_quote else LABELS[digest.language]["headline_only"],
        quotation=_quotation(item),
    )


def _date(item: DigestItem, digest: Digest) -> str:
    at = dated_at(item.published_at, item.first_seen_at)
    text = day(at, digest.language, year=not _same_year(at, digest.end_at))
    return text if at == item.published_at else f"{LABELS[digest.language]['first_seen']} {text}"


def _same_year(left: datetime, right: datetime) -> bool:
    return abs((left - right).days) < 180


def _badge(item: DigestItem, language: Language) -> str | None:
    access, labels = item.access, LABELS[language]
    if access.status is AccessStatus.FULL:
        return None
    words = labels[f"access_{access.status}"]
    if access.missing_share is not None:
        return f"{words}, {access.missing_share:.0%} {labels['missing']}"
    if access.remaining_chars:
        return f"{words}, {access.remaining_chars:,} {labels['chars_missing']}"
    return words


def _quotation(item: DigestItem) -> str | None:
    if item.quote is None:
        return None
    return " […] ".join(item.quote.passages) + (" […]" if item.quote.cut else "")


def _source_row(source: SourceCoverage, most: int) -> SourceRow:
    expected = "–" if source.expected_per_week is None else f"{source.expected_per_week:.0f}"
    bar = max(2, round(100 * source.came / most)) if source.came else 0
    return SourceRow(source.name, source.came, expected, source.revised, source.partial, bar)


def _reasons(source: SourceCoverage, labels: dict[str, str]) -> str:
    looks = ((labels["polls_failed"], source.polls_failed),) if source.polls_failed else ()
    worst = sorted(source.failed, key=lambda reason: (-reason[1], reason[0]))[:3]
    return "; ".join(f"{reason}: {count}" for reason, count in (*looks, *worst))


def _names(sources: list[SourceCoverage]) -> str:
    names = ", ".join(source.name for source in sources[: 4 * _LISTED_SOURCES])
    rest = len(sources[4 * _LISTED_SOURCES :])
    return f"{names} (+{rest})" if rest else names
