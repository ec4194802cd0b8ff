"""Relevance and topics of an article, each with the words that decided it.

All terms of the taxonomy lie in one Aho-Corasick automaton (A. V. Aho, M. J. Corasick, CACM 18(6), 1975), so a text is
read once however many terms there are. Hits become a few figures per topic and per relevance group, and three small
logistic models, shipped as numbers in `config/topics.yaml`, turn the figures into probabilities.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
_LEAST_UNITS = 0.4
"""A shorter text is taken for so long: two words do not make a dense article."""
_HITS_PER_WINDOW = 3
"""One term counts at most so often per window of one unit, so that one repeated word does not decide."""
_LEAD_LATIN, _LEAD_CJK = 300, 110
_EVIDENCE_PER_LABEL = 20
_LEAST_CHANCE = 0.1
"""An article in scope carries its likeliest topic even below the threshold, but none that is less likely than this."""
_ACCOMPANYING = 0.5
"""What an accompanying topic's strength is multiplied by beside the topic it accompanies."""
_DATELINES_WITHIN = 1500
"""Code points of a text in which datelines are looked for."""
_GROUPS = ("japan", "us", "security", "theatre", "out_of_scope")
_PLACES, _OUT_OF_SCOPE = (0, 3), 4

_CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff]+")
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
    """What one topic or group has collected: weights in the title, in the lead, and in each window of the text."""

    __slots__ = ("lead", "title", "windows")

    def __init__(self, windows: int) -> None:
        self.title = self.lead = 0.0
        self.windows = [0.0] * windows


@dataclass(frozen=True, slots=True)
class Figures:
    """What the models see of an article; training reads it, too."""

    topics: Mapping[str, Mapping[str, float]]
    """Topic id to figures; only topics with a hit."""
    in_scope: Mapping[str, float]
    core: Mapping[str, float]


class Classifier:
    """Labels articles under one taxonomy. Building it takes a moment: build one and keep it."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        self.taxonomy = taxonomy
        self.version = taxonomy.content_version
        self._topic_ids = tuple(topic.id for topic in taxonomy.topics)
        self._accompanies = {topic.id: frozenset(topic.accompanies) for topic in taxonomy.topics}
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
        self._supporting = {
            topic: frozenset(
                term.number for term in self._terms.values() if any(i == index and w > 0 for i, w in term.topics)
            )
            for index, topic in enumerate(self._topic_ids)
        }
        self._in_scope = frozenset(
            term.number for term in self._terms.values() if any(index != _OUT_OF_SCOPE for index in term.groups)
        )
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
        in_scope = _probability(models.in_scope, figures.in_scope)
        score = in_scope * _probability(models.core, figures.core)
        relevance: Relevance = "irrelevant"
        if in_scope >= 0.5 and scan.has_place:
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
            relevance_evidence=scan.evidence(scan.group_hits, self._in_scope),
        )

    def figures(self, title: str | None, text: str, lang: Language | None = None) -> Figures:
        """What the models are given for an article, by name."""
        return self._figures(self._scan(title or "", text, lang))

    def bare_pass(self, plain: str) -> int:
        """Raw hits of the automaton in an already folded text: the unit the benchmark measures in."""
        return sum(1 for _ in self._automaton.iter(plain))

    def _topics(self, scan: _Scan, figures: Figures) -> tuple[TopicLabel, ...]:
        models = self.taxonomy.models
        threshold = models.long_text_threshold if scan.is_long else models.topic_threshold
        chances = {topic: _probability(models.topic, figure) for topic, figure in figures.topics.items()}
        kept = {topic: chance for topic, chance in chances.items() if chance >= threshold}
        if not kept:
            best = max(chances, key=lambda topic: chances[topic], default=None)
            kept = {best: chances[best]} if best is not None and chances[best] >= _LEAST_CHANCE else {}
        strengths = {
            topic: chance * (_ACCOMPANYING if self._accompanies[topic] & kept.keys() else 1.0)
            for topic, chance in kept.items()
        }
        strongest = sorted(strengths, key=lambda topic: (-strengths[topic], self._topic_ids.index(topic)))
        return tuple(
            TopicLabel(topic, round(strengths[topic], 4), scan.evidence(scan.topic_hits, self._supporting[topic]))
            for topic in strongest[: models.max_topics]
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
        scan.count_title(self._hits(scan.title, japanese))
        datelines = tuple(
            match.span() for pattern in self._datelines for match in pattern.finditer(text, 0, _DATELINES_WITHIN)
        )
        scan.count_text(self._hits(scan.text, japanese), datelines)
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
        japan, us, security, theatre, out_of_scope = (sum(tally.windows) / scan.units for tally in scan.groups)
        titles = [min(tally.title, 2.0) for tally in scan.groups]
        place, subject = log1p(japan + theatre), log1p(security)
        return Figures(
            topics,
            {
                "us": log1p(us),
                "security": subject,
                "security_in_title": titles[2],
                "place_and_security": min(place, subject),
                "all_three": min(place, subject, best),
                "out_of_scope": log1p(out_of_scope),
                "out_of_scope_in_title": titles[4],
            },
            {
                "japan": log1p(japan),
                "japan_in_title": titles[0],
                "japan_and_security": min(log1p(japan), subject),
                "japan_and_topic": min(log1p(japan), best),
                "security": subject,
                "out_of_scope": log1p(out_of_scope),
            },
        )


class _Scan:
    """Both fields of an article and what was found in them."""

    def __init__(self, topic_count: int, title: str, text: str) -> None:
        self.given = {"title": title, "text": text}
        self.title, self.text = fold(title), fold(text)
        cjk = len(text) - len(_CJK.sub("", text))
        self.cjk = cjk + len(title) - len(_CJK.sub("", title))
        self.has_kana = _KANA.search(title) is not None or _KANA.search(text) is not None
        self.units = max(_LEAST_UNITS, (len(text) - cjk) / _UNIT_LATIN + cjk / _UNIT_CJK)
        windows = max(1, round(self.units))
        self.lead_end = _LEAD_CJK if cjk * 4 > len(text) else _LEAD_LATIN
        self.topics = [_Tally(windows) for _ in range(topic_count)]
        self.groups = [_Tally(windows) for _ in _GROUPS]
        self.topic_hits: list[tuple[FieldName, _Hit]] = []
        self.group_hits: list[tuple[FieldName, _Hit]] = []

    @property
    def is_long(self) -> bool:
        """Whether a fifth of the text is less than all of it."""
        return len(self.groups[0].windows) >= 5

    @property
    def has_place(self) -> bool:
        """Whether Japan or its theatre is named at all."""
        return any(index in _PLACES for _, (_, _, term) in self.group_hits for index in term.groups)

    def count_title(self, hits: Sequence[_Hit]) -> None:
        """Add the hits of the title, each term once."""
        seen: set[int] = set()
        for start, end, term, topics, groups in _uncovered(hits):
            if term.number not in seen:
                seen.add(term.number)
                self._keep("title", (start, end, term), topics, groups)
                for index, weight in topics:
                    self.topics[index].title += weight
                for index in groups:
                    self.groups[index].title += 1.0

    def count_text(self, hits: Sequence[_Hit], datelines: Sequence[tuple[int, int]]) -> None:
        """Add the hits of the text; one in a dateline names no country."""
        per_window = len(self.text.plain) / len(self.groups[0].windows)
        datelines_end = max((end for _, end in datelines), default=0)
        counts: dict[tuple[int, int], int] = {}
        seen_in_lead: set[int] = set()
        for start, end, term, topics, groups in _uncovered(hits):
            window = int(start / per_window)
            nth = counts.get((window, term.number), 0)
            if nth == _HITS_PER_WINDOW:
                continue
            counts[window, term.number] = nth + 1
            if datelines_end and groups:
                place = self.text.span(start, end) or (0, 0)
                if place[0] >= datelines_end:
                    datelines_end = 0
                elif any(a <= place[0] < b for a, b in datelines):
                    groups = ()
            self._keep("text", (start, end, term), topics, groups)
            for index, weight in topics:
                self.topics[index].windows[window] += weight
            for index in groups:
                self.groups[index].windows[window] += 1.0
            if start < self.lead_end and term.number not in seen_in_lead:
                seen_in_lead.add(term.number)
                for index, weight in topics:
                    self.topics[index].lead += weight

    def _keep(self, name: FieldName, hit: _Hit, topics: Sequence[tuple[int, float]], groups: Sequence[int]) -> None:
        if topics:
            self.topic_hits.append((name, hit))
        if groups:
            self.group_hits.append((name, hit))

    def evidence(self, hits: Iterable[tuple[FieldName, _Hit]], wanted: frozenset[int]) -> tuple[Evidence, ...]:
        """The first of the hits whose terms have the wanted numbers; the title comes before the text."""
        found: list[Evidence] = []
        for name, (start, end, term) in hits:
            if term.number in wanted:
                place = (self.title if name == "title" else self.text).span(start, end)
                if place is not None:
                    found.append(Evidence(self.given[name][slice(*place)], name, *place))
                    if len(found) == _EVIDENCE_PER_LABEL:
                        break
        return tuple(found)


def _uncovered(hits: Iterable[_Hit]) -> Iterator[tuple[int, int, _Term, Sequence[tuple[int, float]], Sequence[int]]]:
    """Hits with the topics and groups they count for: inside a longer hit of a topic none, of a group not that one."""
    topic_end = 0
    group_ends = [0] * len(_GROUPS)
    for start, end, term in hits:
        topics = term.topics
        if topics:
            if end > topic_end:
                topic_end = end
            else:
                topics = []
        groups = term.groups
        if groups:
            groups = [index for index in groups if end > group_ends[index]]
            for index in groups:
                group_ends[index] = end
        if topics or groups:
            yield start, end, term, topics, groups


def _topic_figures(ids: Sequence[str], scan: _Scan) -> dict[str, dict[str, float]]:
    """Per topic: weights in title, lead and body, the body being the strongest fifth of its windows."""
    windows = len(scan.groups[0].windows)
    fifth = -(-windows // 5)
    tops = [max(tally.windows[i] for tally in scan.topics) for i in range(windows)]
    best_title = max(tally.title for tally in scan.topics)
    figures: dict[str, dict[str, float]] = {}
    for topic, tally in zip(ids, scan.topics, strict=True):
        strongest = sorted(range(windows), key=lambda i: -tally.windows[i])[:fifth]
        body = max(0.0, sum(tally.windows[i] for i in strongest)) * windows / (fifth * scan.units)
        if tally.title <= 0 and body <= 0:
            continue
        figures[topic] = {
            "title": log1p(max(0.0, tally.title)),
            "title_share": max(0.0, tally.title) / (best_title or 1.0),
            "lead": log1p(max(0.0, tally.lead)),
            "body": log1p(body),
            "body_share": sum(max(0.0, tally.windows[i]) / tops[i] for i in strongest if tops[i] > 0) / fifth,
        }
    return figures


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
