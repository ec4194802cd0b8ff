"""From the week's rows to the digest: what is shown, in which order, and what is left out.

**Order.** An article's base score is

    0.5 × relevance score  +  0.3 × topic score  +  0.2 × access

with the topic score as a share of the highest in its section, and access 1 for full text, 0.75 for a metered page, 0.25
for an opening. Places are given one by one to the highest of base score − 0.1 for each article its source already has
above it in the section; a tie goes to the article published earlier, then to the lower article id.

**Room.** Each topic shows at most `max_per_topic`. If that is more than `max_items` in all, every topic gets its first
place, then every topic its second, and so on, in the taxonomy's order, until the digest is full.

**Copies.** Articles with the same text are shown once, with the other addresses under it. Texts shorter than 200
characters count as the same only under the same title: the notice a paywall leaves is no story.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from alliancewatch.digest.labels import LABELS
from alliancewatch.digest.model import (
    Copy,
    Counts,
    Digest,
    DigestAccess,
    DigestArticle,
    DigestItem,
    DigestSettings,
    Headline,
    LeftOut,
    Section,
    SourceCoverage,
)
from alliancewatch.digest.quote import quote
from alliancewatch.model import PARTIAL_ACCESS, AccessStatus, Versions
from alliancewatch.sanitize import display_host, plain_text, safe_link
from alliancewatch.week import Week, dated_at

OTHER = "other"
"""Section of relevant articles without a topic the taxonomy knows."""
LATE = "late"

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_SHORT_TEXT = 200
_SAME_SOURCE = 0.1
_ACCESS = {AccessStatus.FULL: 1.0, AccessStatus.METERED: 0.75}
_ACCESS_PARTIAL = 0.25


def build_digest(
    week: Week,
    as_of: datetime,
    articles: Iterable[DigestArticle],
    coverage: Iterable[SourceCoverage],
    topics: Mapping[str, str],
    settings: DigestSettings,
    versions: Versions,
) -> Digest:
    """The digest of `week` as it could be known at `as_of`.

    `topics` maps topic ids to names, in the order in which the sections come. The order of `articles` and `coverage`
    does not matter; rows of another week, or first seen after `as_of`, are counted and left out.
    """
    given = sorted(articles, key=lambda article: (article.article_id, -article.revision))
    newest = [a for i, a in enumerate(given) if i == 0 or given[i - 1].article_id != a.article_id]
    known = [article for article in newest if article.first_seen_at <= as_of]
    read = [article for article in known if _is_in_week(article, week) or article.is_late]
    groups = _copies([article for article in read if article.relevance != "irrelevant"], week)
    relevant = [group for group in groups if group[0].relevance == "relevant"]
    borderline = sorted((group for group in groups if group[0].relevance == "borderline"), key=_borderline_order)
    noted, unnoted = borderline[: settings.max_noted], borderline[settings.max_noted :]

    sections = _sections([g for g in relevant if _is_in_week(g[0], week)], topics, settings)
    late_groups = _ranked([group for group in relevant if not _is_in_week(group[0], week)])
    late = _section(LATE, LABELS[settings.language]["late"], late_groups, settings.max_per_topic, settings)

    by_relevance = Counter(article.relevance for article in read)
    everything = (*sections, late)
    hidden = sum(_group_sizes(groups, {h.article_id for section in everything for h in section.more}))
    return Digest(
        week=week.label,
        start_at=week.start,
        end_at=week.end,
        as_of=as_of.astimezone(UTC),
        title=plain_text(settings.title, 100),
        language=settings.language,
        counts=Counts(
            read=len(read),
            relevant=by_relevance["relevant"],
            borderline=by_relevance["borderline"],
            irrelevant=by_relevance["irrelevant"],
            partial=sum(article.access in PARTIAL_ACCESS for article in read),
            late=sum(not _is_in_week(article, week) for article in read),
            shown=sum(len(section.items) for section in everything),
        ),
        sections=sections,
        late=late if late.items else None,
        noted=tuple(_headline(group[0]) for group in noted),
        left_out=LeftOut(
            irrelevant=by_relevance["irrelevant"],
            borderline=sum(map(len, unnoted)) + sum(len(group) - 1 for group in noted),
            over_limit=hidden,
            outside_week=len(known) - len(read),
            after_as_of=len(newest) - len(known),
            superseded=len(given) - len(newest),
        ),
        coverage=tuple(
            replace(
                source,
                name=plain_text(source.name, 60) or source.source_id,
                failed=tuple(sorted((plain_text(reason, 120), n) for reason, n in source.failed)),
            )
            for source in sorted(coverage, key=lambda source: source.source_id)
        ),
        versions=versions,
    )


def _is_in_week(article: DigestArticle, week: Week) -> bool:
    return dated_at(article.published_at, article.first_seen_at) in week


Group = list[DigestArticle]
"""Articles with the same text, the one to show first."""


def _copies(articles: Sequence[DigestArticle], week: Week) -> list[Group]:
    groups: dict[tuple[str, str], Group] = {}
    for article in articles:
        groups.setdefault(_identity(article), []).append(article)
    for group in groups.values():
        group.sort(
            key=lambda article: (
                article.relevance != "relevant",
                not _is_in_week(article, week),
                article.redistribution != "extract",
                article.access in PARTIAL_ACCESS,
                dated_at(article.published_at, article.first_seen_at),
                article.article_id,
            )
        )
    return list(groups.values())


def _identity(article: DigestArticle) -> tuple[str, str]:
    # Outlets that carry the same story write standfirsts of their own.
    text = _folded(article.text.removeprefix(article.standfirst or ""))
    if not text:
        return "article", article.article_id
    return ("text" if len(text) >= _SHORT_TEXT else _folded(article.title or article.article_id)), text


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _sections(groups: list[Group], topics: Mapping[str, str], settings: DigestSettings) -> tuple[Section, ...]:
    by_topic: dict[str, list[Group]] = {topic_id: [] for topic_id in (*topics, OTHER)}
    for group in groups:
        by_topic[group[0].primary if group[0].primary in topics else OTHER].append(group)  # type: ignore[index]
    ranked = {topic_id: _ranked(members) for topic_id, members in by_topic.items() if members}
    room = dict.fromkeys(ranked, 0)
    places = [(rank, topic_id) for rank in range(settings.max_per_topic) for topic_id in ranked]
    for rank, topic_id in [(r, t) for r, t in places if r < len(ranked[t])][: settings.max_items]:
        room[topic_id] = rank + 1
    names = {OTHER: LABELS[settings.language]["other"]} | dict(topics)
    return tuple(
        _section(topic_id, plain_text(names[topic_id], 80), members, room[topic_id], settings)
        for topic_id, members in ranked.items()
    )


def _section(
    topic_id: str, name: str, ranked: list[tuple[float, Group]], room: int, settings: DigestSettings
) -> Section:
    return Section(
        topic_id,
        name,
        items=tuple(_item(group, score, settings) for score, group in ranked[:room]),
        more=tuple(_headline(group[0]) for _, group in ranked[room:]),
    )


def _ranked(groups: Sequence[Group]) -> list[tuple[float, Group]]:
    """(base score, group), best first, as the module's text says."""
    highest = max((_topic_score(group[0]) for group in groups), default=0.0) or 1.0
    base = {group[0].article_id: _base_score(group[0], highest) for group in groups}
    queues: dict[str, list[Group]] = {}
    for group in sorted(groups, key=lambda group: (-base[group[0].article_id], _tie(group[0]))):
        queues.setdefault(group[0].source_id, []).append(group)
    taken: Counter[str] = Counter()
    ranked: list[tuple[float, Group]] = []
    # Of one source only the best that is left can be next, so it is enough to look at the heads.
    while queues:
        source_id = min(
            queues,
            key=lambda source: (
                -round(base[queues[source][0][0].article_id] - _SAME_SOURCE * taken[source], 6),
                _tie(queues[source][0][0]),
            ),
        )
        group = queues[source_id].pop(0)
        if not queues[source_id]:
            del queues[source_id]
        taken[source_id] += 1
        ranked.append((base[group[0].article_id], group))
    return ranked


def _base_score(article: DigestArticle, highest: float) -> float:
    access = _ACCESS.get(article.access, _ACCESS_PARTIAL)
    return round(0.5 * article.relevance_score + 0.3 * _topic_score(article) / highest + 0.2 * access, 6)


def _topic_score(article: DigestArticle) -> float:
    return dict(article.topics).get(article.primary or "", 0.0)


def _tie(article: DigestArticle) -> tuple[datetime, str]:
    return dated_at(article.published_at, article.first_seen_at), article.article_id


def _borderline_order(group: Group) -> tuple[float, datetime, str]:
    return -group[0].relevance_score, *_tie(group[0])


def _group_sizes(groups: Sequence[Group], first_ids: set[str]) -> list[int]:
    return [len(group) for group in groups if group[0].article_id in first_ids]


def _title(article: DigestArticle) -> str:
    return plain_text(article.title or "") or "(no title)"


def _headline(article: DigestArticle) -> Headline:
    return Headline(
        article.article_id,
        article.source_id,
        plain_text(article.source_name, 60) or article.source_id,
        _title(article),
        safe_link(article.url) or "",
        article.lang if _LANGUAGE.fullmatch(article.lang) else "und",
    )


def _item(group: Group, score: float, settings: DigestSettings) -> DigestItem:
    article, *others = group
    headline = _headline(article)
    may_quote = article.redistribution == "extract" and settings.extract_sentences > 0
    remaining, total = article.remaining_chars, article.total_chars
    return DigestItem(
        article_id=article.article_id,
        revision=article.revision,
        content_hash=article.content_hash,
        source_id=article.source_id,
        source_name=headline.source_name,
        title=headline.title,
        url=headline.url,
        host=display_host(headline.url),
        lang=headline.lang,
        published_at=article.published_at,
        first_seen_at=article.first_seen_at,
        access=DigestAccess(
            article.access,
            remaining,
            total,
            round(remaining / total, 4) if remaining is not None and total and 0 <= remaining <= total else None,
        ),
        relevance_score=article.relevance_score,
        primary=article.primary,
        topics=tuple(topic_id for topic_id, _ in article.topics),
        rank_score=score,
        redistribution=article.redistribution,
        quote=quote(article.text, article.title or "", settings.extract_sentences) if may_quote else None,
        also_in=tuple(Copy(h.article_id, h.source_id, h.source_name, h.url) for h in map(_headline, others)),
    )
