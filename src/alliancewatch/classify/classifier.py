"""Relevance and topics of an article, each with the words that decided it.

All terms of the taxonomy lie in one Aho-Corasick automaton (A. V. Aho, M. J. Corasick, CACM 18(6), 1975), so a text is
read once however many terms there are. Hits become a few figures per topic and per relevance group, and three small
logistic models, shipped as numbers in `config/topics.yaml`, turn the figures into probabilities.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, log1p
from typing import Literal

import ahocorasick

from alliancewatch.classify.fold import Folded, fold
from alliancewatch.classify.taxonomy import LinearModel, Taxonomy
from alliancewatch.model import Evidence, Labels, Language, Relevance, TopicLabel

FieldName = Literal["title", "text"]

_UNIT_LATIN, _UNIT_CJK = 700, 250
"""Code points of about the same news in English and in Japanese: hits are counted per so much text."""
_HITS_PER_WINDOW = 3
"""One term counts at most so often per window of one unit, so that one repeated word does not decide."""
_LEAD_LATIN, _LEAD_CJK = 300, 110
_EVIDENCE_PER_LABEL = 30
_DATELINES_WITHIN = 1500
"""Code points of a text in which datelines are looked for."""
_GROUPS = ("japan", "us", "security", "theatre", "out_of_scope")

_CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
_KANA = re.compile("[\u3040-\u30ff]")
_LATIN_WORD = "abcdefghijklmnopqrstuvwxyz0123456789"
_WORD_IN_CAPITALS = re.compile(r"\b[A-Z][A-Z0-9]*[A-Z]\b")
_ALSO_A_WORD = frozenset({"US", "SOFA", "QUAD", "BASE", "NOBLE"})
"""In a field set in capitals these cannot be told from the ordinary word."""


@dataclass(slots=True)
class _Term:
    """One term and everywhere it counts."""

    number: int
    text: str
    length: int
    starts_latin: bool
    ends_latin: bool
    capitals: tuple[tuple[int, str], ...]
    """Words of it that must stand in capitals, with their offsets."""
    topics: list[tuple[int, float]] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)
    decoy: bool = False


_Hit = tuple[int, int, _Term]
"""Folded start, folded end, term."""


class _Tally:
    """What one topic or group has collected."""

    __slots__ = ("against", "distinct", "hits", "lead", "title", "windows")

    def __init__(self, windows: int) -> None:
        self.title = self.lead = self.against = 0.0
        self.windows = [0.0] * windows
        self.distinct: set[str] = set()
        self.hits: list[tuple[FieldName, int, int, str]] = []

    def strongest_fifth(self) -> float:
        """Mean score of the strongest fifth of the text, at least one window."""
        size = -(-len(self.windows) // 5)
        return sum(sorted(self.windows, reverse=True)[:size]) / size


@dataclass(frozen=True, slots=True)
class Figures:
    """What the models see of an article; training reads it, too."""

    topics: Mapping[str, Mapping[str, float]]
    """Topic id to figures; only topics with a hit."""
    relevance: Mapping[str, float]


class Classifier:
    """Labels articles under one taxonomy. Building it takes a moment: build one and keep it."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        self.taxonomy = taxonomy
        self.version = taxonomy.content_version
        self._topic_ids = tuple(topic.id for topic in taxonomy.topics)
        self._datelines = [re.compile(rf"^[ \t]*(?:{pattern})", re.MULTILINE) for pattern in taxonomy.datelines]
        self._terms: dict[str, _Term] = {}
        for index, topic in enumerate(taxonomy.topics):
            weights: dict[str, float] = {}
            for strength, text in (*topic.en.terms(), *topic.ja.terms()):
                weights.setdefault(text, getattr(taxonomy.weights, strength))
            for text, weight in weights.items():
                self._term(text).topics.append((index, weight))
        for index, name in enumerate(_GROUPS):
            for text in dict.fromkeys(getattr(taxonomy.relevance, name).terms()):
                self._term(text).groups.append(index)
        for text in taxonomy.decoys.terms():
            self._term(text).decoy = True
        by_plain: dict[str, list[_Term]] = {}
        for text, term in self._terms.items():
            by_plain.setdefault(fold(text).plain, []).append(term)
        self._automaton = ahocorasick.Automaton()
        for plain, terms in by_plain.items():
            self._automaton.add_word(plain, tuple(terms))
        self._automaton.make_automaton()

    def classify(self, title: str | None, text: str, lang: Language | None = None) -> Labels:
        """Relevance and topics of an article.

        Offsets in the evidence are code points of `title` and `text` as given. `lang` decides only whether a text in
        Chinese characters without kana is read as Japanese. Any input is fine, and time is linear in its length.
        """
        scan = self._scan(title or "", text, lang)
        models = self.taxonomy.models
        figures = self._figures(scan)
        in_scope = _probability(models.in_scope, figures.relevance)
        score = in_scope * _probability(models.core, figures.relevance)
        relevance: Relevance = "irrelevant"
        if in_scope >= 0.5:
            relevance = "relevant" if score >= 0.5 * in_scope else "borderline"
        topics: tuple[TopicLabel, ...] = ()
        if relevance != "irrelevant":
            topics = self._topics(scan, figures)
        if not topics:
            relevance = "irrelevant"
        return Labels(
            relevance=relevance,
            relevance_score=round(score, 4),
            topics=topics,
            primary=topics[0].topic_id if topics else None,
            taxonomy_version=self.version,
            relevance_evidence=scan.evidence([scan.groups[index] for index in range(4)]),
        )

    def figures(self, title: str | None, text: str, lang: Language | None = None) -> Figures:
        """What the models are given for an article, by name."""
        return self._figures(self._scan(title or "", text, lang))

    def bare_pass(self, plain: str) -> int:
        """Raw hits of the automaton in an already folded text: the unit the benchmark measures in."""
        return sum(1 for _ in self._automaton.iter(plain))

    def _topics(self, scan: _Scan, figures: Figures) -> tuple[TopicLabel, ...]:
        models = self.taxonomy.models
        scored = sorted(
            ((_probability(models.topic, figure), topic) for topic, figure in figures.topics.items()),
            key=lambda pair: (-pair[0], self._topic_ids.index(pair[1])),
        )
        kept = [pair for pair in scored if pair[0] >= models.topic_threshold][: models.max_topics] or scored[:1]
        return tuple(
            TopicLabel(topic, round(probability, 4), scan.evidence([scan.topics[self._topic_ids.index(topic)]]))
            for probability, topic in kept
        )

    def _term(self, text: str) -> _Term:
        if text not in self._terms:
            folded = fold(text)
            self._terms[text] = _Term(
                number=len(self._terms),
                text=text,
                length=len(folded.plain),
                starts_latin=folded.plain[0] in _LATIN_WORD,
                ends_latin=folded.plain[-1] in _LATIN_WORD,
                capitals=tuple((match.start(), match[0]) for match in _WORD_IN_CAPITALS.finditer(folded.cased)),
            )
        return self._terms[text]

    def _scan(self, title: str, text: str, lang: Language | None) -> _Scan:
        scan = _Scan(len(self._topic_ids), title, text)
        japanese = lang == "ja" or scan.cjk < 60 or scan.has_kana
        scan.add("title", self._hits(scan.title, japanese), ())
        datelines = tuple(
            match.span() for pattern in self._datelines for match in pattern.finditer(text, 0, _DATELINES_WITHIN)
        )
        scan.add("text", self._hits(scan.text, japanese), datelines)
        return scan

    def _hits(self, folded: Folded, japanese: bool) -> list[_Hit]:
        """Hits that stand at word boundaries and in the right case, longest first at each start, none in a decoy."""
        plain, cased = folded.plain, folded.cased
        last = len(plain)
        shouted = _is_shouted(cased)
        found: list[tuple[int, int, int, _Term]] = []
        for end_at, terms in self._automaton.iter(plain):
            end = end_at + 1
            for term in terms:
                start = end - term.length
                if not term.starts_latin:
                    if not japanese:
                        continue
                elif start and plain[start - 1] in _LATIN_WORD:
                    continue
                if term.ends_latin and end < last and plain[end] in _LATIN_WORD and not _is_plural(plain, end):
                    continue
                if term.capitals and not _in_capitals(term, cased, start, shouted):
                    continue
                found.append((start, -end, term.number, term))
        found.sort()
        kept: list[_Hit] = []
        decoy_end = 0
        for start, minus_end, _, term in found:
            if term.decoy:
                decoy_end = max(decoy_end, -minus_end)
            elif -minus_end > decoy_end:
                kept.append((start, -minus_end, term))
        return kept

    def _figures(self, scan: _Scan) -> Figures:
        topics = _topic_figures(self._topic_ids, scan)
        best = max((figure["body"] for figure in topics.values()), default=0.0)
        best_title = max((figure["title"] for figure in topics.values()), default=0.0)
        japan, _, security, theatre, out_of_scope = scan.groups
        j, u, s, t, o = (log1p(sum(tally.windows) / scan.units) for tally in scan.groups)
        return Figures(
            topics,
            {
                "japan": j,
                "us": u,
                "security": s,
                "theatre": t,
                "out_of_scope": o,
                "japan_in_title": min(japan.title, 2.0),
                "security_in_title": min(security.title, 2.0),
                "theatre_in_title": min(theatre.title, 2.0),
                "out_of_scope_in_title": min(out_of_scope.title, 2.0),
                "japan_and_security": min(j, s),
                "theatre_and_security": min(t, s),
                "topic": best,
                "topic_in_title": best_title,
                "japanese": float(scan.has_kana),
            },
        )


class _Scan:
    """Both fields of an article and what was found in them."""

    def __init__(self, topic_count: int, title: str, text: str) -> None:
        self.title, self.text = fold(title), fold(text)
        cjk = len(_CJK.findall(text))
        self.cjk = cjk + len(_CJK.findall(title))
        self.has_kana = _KANA.search(title) is not None or _KANA.search(text) is not None
        self.units = max(1.0, (len(text) - cjk) / _UNIT_LATIN + cjk / _UNIT_CJK)
        self.lead_end = _LEAD_CJK if cjk * 4 > len(text) else _LEAD_LATIN
        self.window_count = round(self.units)
        self.topics = [_Tally(self.window_count) for _ in range(topic_count)]
        self.groups = [_Tally(self.window_count) for _ in _GROUPS]

    def add(self, name: FieldName, hits: Sequence[_Hit], datelines: Sequence[tuple[int, int]]) -> None:
        """Count the hits of a field; one inside a longer one does not count, one in a dateline names no country."""
        folded = self.title if name == "title" else self.text
        limit = 1 if name == "title" else _HITS_PER_WINDOW
        per_window = len(folded.plain) / self.window_count
        counts: Counter[tuple[int, str]] = Counter()
        topic_end = 0
        group_ends = [0] * len(_GROUPS)
        for start, end, term in hits:
            window = 0 if name == "title" else int(start / per_window)
            counts[window, term.text] += 1
            if counts[window, term.text] > limit:
                continue
            if term.topics and end > topic_end:
                topic_end = end
                for index, weight in term.topics:
                    self._count(self.topics[index], name, window, start, end, term, weight)
            for index in term.groups:
                if end > group_ends[index]:
                    group_ends[index] = end
                    if not _within(folded.span(start, end), datelines):
                        self._count(self.groups[index], name, window, start, end, term, 1.0)

    def _count(
        self, tally: _Tally, name: FieldName, window: int, start: int, end: int, term: _Term, weight: float
    ) -> None:
        if weight < 0:
            tally.against -= weight / self.units
            return
        if name == "title":
            tally.title += weight
        else:
            tally.windows[window] += weight
            if start < self.lead_end and term.text not in tally.distinct:
                tally.lead += weight
        tally.distinct.add(term.text)
        tally.hits.append((name, start, end, term.text))

    def evidence(self, tallies: Sequence[_Tally]) -> tuple[Evidence, ...]:
        """The hits of the tallies as evidence in reading order, the title first."""
        evidence: dict[tuple[bool, int, int], Evidence] = {}
        for tally in tallies:
            for name, start, end, term in tally.hits[:_EVIDENCE_PER_LABEL]:
                place = (self.title if name == "title" else self.text).span(start, end)
                if place is not None:
                    evidence[(name == "text", *place)] = Evidence(term, name, *place)
        return tuple(evidence[key] for key in sorted(evidence))


def _topic_figures(ids: Sequence[str], scan: _Scan) -> dict[str, dict[str, float]]:
    tallies = {topic: tally for topic, tally in zip(ids, scan.topics, strict=True) if tally.hits}
    bodies = {topic: tally.strongest_fifth() for topic, tally in tallies.items()}
    title_best = max((tally.title for tally in tallies.values()), default=0.0) or 1.0
    lead_best = max((tally.lead for tally in tallies.values()), default=0.0) or 1.0
    body_best = max(bodies.values(), default=0.0) or 1.0
    return {
        topic: {
            "title": log1p(tally.title),
            "title_share": tally.title / title_best,
            "lead": log1p(tally.lead),
            "lead_share": tally.lead / lead_best,
            "body": log1p(bodies[topic]),
            "body_share": bodies[topic] / body_best,
            "distinct": log1p(len(tally.distinct) / scan.units),
            "against": log1p(tally.against),
        }
        for topic, tally in tallies.items()
    }


def _within(place: tuple[int, int] | None, datelines: Sequence[tuple[int, int]]) -> bool:
    return place is not None and any(start <= place[0] < end for start, end in datelines)


def _probability(model: LinearModel, figures: Mapping[str, float]) -> float:
    z = model.bias + sum(weight * figures[name] for name, weight in model.weights.items())
    return 1 / (1 + exp(-z)) if z > -700 else 0.0


def _in_capitals(term: _Term, cased: str, start: int, shouted: bool) -> bool:
    return all(
        cased.startswith(word, start + offset) and not (shouted and word in _ALSO_A_WORD)
        for offset, word in term.capitals
    )


def _is_plural(plain: str, end: int) -> bool:
    return plain[end] == "s" and (end + 1 == len(plain) or plain[end + 1] not in _LATIN_WORD)


def _is_shouted(cased: str) -> bool:
    """Whether a text is set in capitals, where `US` may be the pronoun."""
    sample = cased[:2000]
    upper = sum(map(str.isupper, sample))
    return upper >= 10 and upper > 4 * sum(map(str.islower, sample))
