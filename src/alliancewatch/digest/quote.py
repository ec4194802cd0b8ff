"""The sentences of an article that say best what it is about, quoted as they stand.

A sentence's score is its TF-IDF cosine to the centroid of the article's sentences, plus its overlap with the headline,
plus a bonus for standing early; each further sentence is the one that adds most to those already chosen (maximal
marginal relevance). Against the publisher's own description of 381 pages, two sentences reach ROUGE-1 0.305 and ROUGE-2
0.134; the first two sentences of the same pages 0.281 and 0.122.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass

from alliancewatch.digest.model import Quote
from alliancewatch.digest.sentences import is_complete, sentence_spans
from alliancewatch.sanitize import is_printable

_CENTROID, _HEADLINE, _POSITION = 1.0, 0.6, 0.6
_REPETITION = 0.7
"""What likeness to a chosen sentence costs the next one."""
_POINTS_BACK = 0.3
"""What it costs a sentence to open with a word that leans on the one before, unless that is quoted too."""

_READ_CHARS = 20_000
"""How much of an article is considered: news puts what matters first."""
_SHORTEST, _LONGEST = 40, 420
"""In columns: a Japanese character counts two."""

_LEANING = re.compile(
    r"[“\"‘']?(?:(?:He|She|It|They|This|That|These|Those|His|Her|Its|Their|But|And|Or|So|Yet|Also|However|Still|Then)\b"
    r"|これ|それ|この|その|そう|こう|同氏|また|しかし|一方|さらに|だが|ただ)"
)
_TERM = re.compile(r"[a-z0-9]+(?:['’][a-z]+)?|[\u3400-\u9fff\uf900-\ufaff々]+|[ァ-ヺー]+")
_STOP_WORDS = frozenset(
    str.split(
        "a about after also an and any are as at be been but by can could did do for from had has have he her his"
        " how if in into is it its may more most no not of on one or our out over said says she so some such than"
        " that the their them then there these they this to two up was we were what when which who will with would"
        " you"
    )
)

Vector = dict[str, float]


@dataclass(frozen=True, slots=True)
class _Sentence:
    index: int
    start: int
    end: int
    vector: Vector
    leans: bool
    score: float


def quote(text: str, title: str, count: int) -> Quote | None:
    """Up to `count` sentences of `text`, in its order, each verbatim; None when there is nothing to quote.

    Only whole sentences of readable length are taken; when the text has none, its first piece is, cut at a word.
    """
    text = text[:_READ_CHARS]
    spans = [span for span in sentence_spans(text) if is_printable(text[slice(*span)])]
    if not spans or count < 1:
        return None
    whole = [span for span in spans if _is_quotable(text[slice(*span)])]
    if not whole:
        start, end = spans[0]
        stop = _cut(text, start, end)
        return Quote((text[start:stop],), cut=stop < end or not is_complete(text[start:stop]))
    passages: list[tuple[int, int]] = []
    for sentence in sorted(_choose(_scored(text, whole, title), count), key=lambda sentence: sentence.start):
        between = text[passages[-1][1] : sentence.start] if passages else ""
        if passages and not between.strip() and is_printable(between):
            passages[-1] = passages[-1][0], sentence.end
        else:
            passages.append((sentence.start, sentence.end))
    return Quote(tuple(text[start:end] for start, end in passages), cut=False)


def columns(text: str) -> int:
    """Width in columns of a fixed-width font, near enough to compare lengths across the two scripts."""
    return sum(2 if char >= "\u2e80" else 1 for char in text)


def _is_quotable(sentence: str) -> bool:
    return is_complete(sentence) and _SHORTEST <= columns(sentence) <= _LONGEST


def _cut(text: str, start: int, end: int) -> int:
    """Where to stop in `[start, end)` so that at most `_LONGEST` columns are taken, after a word if there is one."""
    width, stop = 0, start
    while stop < end:
        width += columns(text[stop])
        if width > _LONGEST:
            break
        stop += 1
    if stop < end:
        space = max(text.rfind(" ", start, stop), text.rfind("、", start, stop) + 1)
        stop = space if space > start + (stop - start) // 2 else stop
    return stop


def _scored(text: str, spans: list[tuple[int, int]], title: str) -> list[_Sentence]:
    counts = [Counter(_terms(text[slice(*span)])) for span in spans]
    documents: Counter[str] = Counter()
    for terms in counts:
        documents.update(terms.keys())
    idf = {term: 1 + math.log(len(spans) / seen) for term, seen in documents.items()}
    vectors = [_unit({term: (1 + math.log(n)) * idf[term] for term, n in terms.items()}) for terms in counts]
    centroid: Vector = {}
    for vector in vectors:
        for term, weight in vector.items():
            centroid[term] = centroid.get(term, 0.0) + weight
    centroid = _unit(centroid)
    headline = dict.fromkeys(_terms(title), 1.0)
    return [
        _Sentence(
            index,
            start,
            end,
            vector,
            _LEANING.match(text, start) is not None,
            _CENTROID * _dot(vector, centroid)
            + _HEADLINE * sum(term in vector for term in headline) / (len(headline) or 1)
            + _POSITION / (1 + index),
        )
        for index, ((start, end), vector) in enumerate(zip(spans, vectors, strict=True))
    ]


def _choose(sentences: list[_Sentence], count: int) -> list[_Sentence]:
    chosen: list[_Sentence] = []
    left = list(sentences)
    while left and len(chosen) < count:
        best = max(left, key=lambda sentence: (round(_marginal(sentence, chosen), 9), -sentence.index))
        chosen.append(best)
        left.remove(best)
    return chosen


def _marginal(sentence: _Sentence, chosen: list[_Sentence]) -> float:
    repeats = max((_dot(sentence.vector, other.vector) for other in chosen), default=0.0)
    hangs = sentence.leans and all(other.index != sentence.index - 1 for other in chosen)
    return sentence.score - _REPETITION * repeats - _POINTS_BACK * hangs


def _terms(text: str) -> list[str]:
    """Words of Latin script without the commonest, runs of katakana, and pairs of neighbouring kanji."""
    terms: list[str] = []
    for run in _TERM.findall(text.lower()):
        if "\u3400" <= run[0] <= "\u9fff" and len(run) > 2:
            terms += (run[i : i + 2] for i in range(len(run) - 1))
        elif run not in _STOP_WORDS:
            terms.append(run)
    return terms


def _unit(vector: Vector) -> Vector:
    length = math.sqrt(math.fsum(weight * weight for weight in vector.values()))
    return {term: weight / length for term, weight in vector.items()} if length else {}


def _dot(left: Vector, right: Vector) -> float:
    return math.fsum(weight * right[term] for term, weight in left.items() if term in right)
