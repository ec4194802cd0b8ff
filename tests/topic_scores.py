"""Figures of a classifier on labelled articles: relevance, topics and primary topic, per language."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from alliancewatch.model import Labels


@dataclass(frozen=True, slots=True)
class LabelledText:
    """An article with the labels a person gave it."""

    id: str
    title: str
    text: str
    lang: str
    relevance: str
    topics: frozenset[str]
    primary: str | None


def read_labelled(path: Path) -> list[LabelledText]:
    """The articles of a JSON Lines file."""
    rows = map(json.loads, path.read_text("utf-8").splitlines())
    return [LabelledText(**{**row, "topics": frozenset(row["topics"])}) for row in rows]


def f1(right: int, said: int, wanted: int) -> float:
    """Harmonic mean of precision and recall; 0 when nothing is right."""
    return 2 * right / (said + wanted) if said + wanted else 0.0


def _topics_of(labels: Labels) -> set[str]:
    return {label.topic_id for label in labels.topics}


def topic_f1(gold: Sequence[LabelledText], labels: Mapping[str, Labels], topic: str) -> float:
    """F1 of one topic."""
    pairs = [(topic in text.topics, topic in _topics_of(labels[text.id])) for text in gold]
    return f1(sum(g and s for g, s in pairs), sum(s for _, s in pairs), sum(g for g, _ in pairs))


def micro_f1(gold: Sequence[LabelledText], labels: Mapping[str, Labels]) -> float:
    """F1 over all pairs of article and topic."""
    pairs = [(text.topics, _topics_of(labels[text.id])) for text in gold]
    return f1(sum(len(g & s) for g, s in pairs), sum(len(s) for _, s in pairs), sum(len(g) for g, _ in pairs))


def scores(gold: Sequence[LabelledText], labels: Mapping[str, Labels]) -> dict[str, float]:
    """Relevance is `relevant` against `irrelevant`, borderline left out; topics are scored on all but irrelevant."""
    positive = [text for text in gold if text.relevance == "relevant"]
    negative = [text for text in gold if text.relevance == "irrelevant"]
    scope = [text for text in gold if text.relevance != "irrelevant"]
    hits = sum(labels[text.id].relevance == "relevant" for text in positive)
    false = sum(labels[text.id].relevance == "relevant" for text in negative)
    ranked = [(labels[p.id].relevance_score, labels[n.id].relevance_score) for p in positive for n in negative]
    topics = sorted({topic for text in scope for topic in text.topics})
    return {
        "relevance_precision": hits / max(hits + false, 1),
        "relevance_recall": hits / max(len(positive), 1),
        "relevance_f1": f1(hits, hits + false, len(positive)),
        "relevance_auc": sum((p > n) + (p == n) / 2 for p, n in ranked) / max(len(ranked), 1),
        "grade_accuracy": sum(labels[text.id].relevance == text.relevance for text in gold) / max(len(gold), 1),
        "topics_micro_f1": micro_f1(scope, labels),
        "topics_macro_f1": sum(topic_f1(scope, labels, topic) for topic in topics) / max(len(topics), 1),
        "topics_micro_f1_en": micro_f1([text for text in scope if text.lang == "en"], labels),
        "topics_micro_f1_ja": micro_f1([text for text in scope if text.lang == "ja"], labels),
        "primary_accuracy": sum(labels[text.id].primary == text.primary for text in scope) / max(len(scope), 1),
        "irrelevant_with_topic": sum(bool(labels[text.id].topics) for text in negative) / max(len(negative), 1),
    }
