"""The taxonomy as it stands in `config/topics.yaml`: topics and their terms, relevance groups, and the model."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from hashlib import sha256
from itertools import product
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from alliancewatch.classify.fold import fold

Strength = Literal["strong", "medium", "weak", "against"]

TOPIC_FEATURES = ("title", "title_share", "lead", "body", "body_share")
SCOPE_FEATURES = (
    *("us", "security", "security_in_title", "place_and_security", "all_three"),
    *("out_of_scope", "out_of_scope_in_title"),
)
CORE_FEATURES = ("japan", "japan_in_title", "japan_and_security", "japan_and_topic", "security", "out_of_scope")
"""What the models weigh; `alliancewatch.classify.classifier` says how each is counted."""

Phrase = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def expand(phrase: str) -> Iterator[str]:
    """Each term a phrase stands for: `{a,b} c` is `a c` and `b c`. Raises `ValueError` for unbalanced braces."""
    parts = re.split(r"\{([^{}]*)\}", phrase)
    if any(brace in part for part in parts for brace in "{}"):
        raise ValueError(f"unbalanced or nested braces in {phrase!r}")
    choices = [part.split(",") if index % 2 else [part] for index, part in enumerate(parts)]
    for chosen in product(*choices):
        yield " ".join("".join(chosen).split())


def _checked(phrases: tuple[str, ...]) -> tuple[str, ...]:
    for phrase in phrases:
        for term in expand(phrase):
            if not fold(term).plain.strip():
                raise ValueError(f"{phrase!r} stands for an empty term")
    return phrases


class Phrases(_Part):
    """Phrases of one kind in both languages."""

    en: tuple[Phrase, ...] = ()
    ja: tuple[Phrase, ...] = ()

    _check = field_validator("en", "ja")(_checked)

    def terms(self) -> Iterator[str]:
        """All terms, braces expanded."""
        for phrase in (*self.en, *self.ja):
            yield from expand(phrase)


class WeightedPhrases(_Part):
    """Phrases of one topic in one language by how much they say."""

    strong: tuple[Phrase, ...] = ()
    medium: tuple[Phrase, ...] = ()
    weak: tuple[Phrase, ...] = ()
    against: tuple[Phrase, ...] = ()

    _check = field_validator("strong", "medium", "weak", "against")(_checked)

    @model_validator(mode="after")
    def _each_term_once(self) -> WeightedPhrases:
        counts = Counter(fold(term).plain for _, term in self.terms())
        twice = [term for term, count in counts.items() if count > 1]
        if twice:
            raise ValueError(f"terms that stand twice: {', '.join(sorted(twice))}")
        return self

    def terms(self) -> Iterator[tuple[Strength, str]]:
        """All terms with their strength, braces expanded."""
        strengths: tuple[Strength, ...] = ("strong", "medium", "weak", "against")
        for strength in strengths:
            phrases: tuple[str, ...] = getattr(self, strength)
            for phrase in phrases:
                for term in expand(phrase):
                    yield strength, term


class Weights(_Part):
    """What a hit of each strength counts."""

    strong: Annotated[float, Field(gt=0, le=10)]
    medium: Annotated[float, Field(gt=0, le=10)]
    weak: Annotated[float, Field(gt=0, le=10)]
    against: Annotated[float, Field(ge=-10, le=0)]


class Topic(_Part):
    """One label an article can carry."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$")]
    name: str
    definition: str
    accompanies: tuple[str, ...] = ()
    """Topics that are the subject when both apply: a patrol off Taiwan is about Taiwan first, about a patrol second."""
    en: WeightedPhrases
    ja: WeightedPhrases


class RelevanceGroups(_Part):
    """Whose hits say whether an article concerns the alliance at all."""

    japan: Phrases
    us: Phrases
    security: Phrases
    theatre: Phrases
    out_of_scope: Phrases


class LinearModel(_Part):
    """Weights of a logistic model: probability = 1 / (1 + e^-(bias + Σ weight x figure))."""

    bias: Annotated[float, Field(ge=-50, le=50)]
    weights: dict[str, Annotated[float, Field(ge=-50, le=50)]]


class Models(_Part):
    """The trained numbers; `bench/train_topics.py` prints them."""

    topic: LinearModel
    """Is the article about this topic? One model for all topics."""
    topic_threshold: Annotated[float, Field(gt=0, lt=1)]
    long_text_threshold: Annotated[float, Field(gt=0, lt=1)]
    """For texts of several windows, whose strongest fifth mixes a topic with others more than a short text does."""
    max_topics: Annotated[int, Field(ge=1, le=16)]
    in_scope: LinearModel
    """Is the article about the security of the alliance or its theatre?"""
    core: LinearModel
    """Given that it is: has Japan or the alliance a part in it?"""

    @model_validator(mode="after")
    def _known_figures(self) -> Models:
        for model, known in (
            (self.topic, TOPIC_FEATURES),
            (self.in_scope, SCOPE_FEATURES),
            (self.core, CORE_FEATURES),
        ):
            if set(model.weights) != set(known):
                raise ValueError(f"a model weighs exactly {', '.join(known)}; found {', '.join(model.weights)}")
        return self


class Taxonomy(_Part):
    """Everything the classifier knows: read it with `read_config(path, Taxonomy)`."""

    version: Annotated[int, Field(ge=1)]
    weights: Weights
    topics: Annotated[tuple[Topic, ...], Field(min_length=1)]
    relevance: RelevanceGroups
    decoys: Phrases
    """Phrases that look like evidence and are not: a hit inside one does not count."""
    datelines: tuple[str, ...] = ()
    """Regular expressions for the line start an agency's dateline takes."""
    models: Models

    @field_validator("datelines")
    @classmethod
    def _compiles(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"bad regular expression {pattern!r}: {error}") from None
        return patterns

    @field_validator("topics")
    @classmethod
    def _topics_once(cls, topics: tuple[Topic, ...]) -> tuple[Topic, ...]:
        twice = [topic for topic, count in Counter(topic.id for topic in topics).items() if count > 1]
        if twice:
            raise ValueError(f"topic ids that stand twice: {', '.join(twice)}")
        unknown = {other for topic in topics for other in topic.accompanies} - {topic.id for topic in topics}
        if unknown:
            raise ValueError(f"`accompanies` names topics that do not exist: {', '.join(sorted(unknown))}")
        return topics

    @cached_property
    def content_version(self) -> str:
        """Version number and a short hash of the content, such as `1-5f3c9a1e`: labels are keyed by it."""
        return f"{self.version}-{sha256(self.model_dump_json().encode()).hexdigest()[:8]}"
