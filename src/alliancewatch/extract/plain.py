"""Text as scraped: lines without markup, whose shape, place and repetition must say what they are."""

from __future__ import annotations

import re
from collections.abc import Sequence

from alliancewatch.boilerplate import BoilerplateRules, Line, fold, mark_boilerplate, prose_span
from alliancewatch.extract.metadata import looks_like_byline, looks_like_date
from alliancewatch.model import ParagraphKind
from alliancewatch.prose import ends_sentence, is_cjk, normal_text, weight, word_count

_BULLET = re.compile(r"\s*(?:[•‣▪◦●・*]|-(?= )|\d{1,2}[.)](?= ))\s?\S")
_TITLE_WEIGHT = 220
_KICKER_WORDS = 4
_HEAD_LINES = 80


def read_lines(text: str) -> list[Line]:
    """The text's lines that hold anything, normalised, with their groups."""
    lines: list[Line] = []
    group, blank = 0, True
    for raw in text.splitlines():
        line = normal_text(raw)
        if not line:
            blank = True
            continue
        if blank:
            group += 1
            blank = False
        lines.append(Line(line, form="li" if _BULLET.match(raw) else "line", group=group))
    return lines


def mark_text(lines: Sequence[Line], rules: BoilerplateRules) -> None:
    """Label title, standfirst, section and all furniture among the lines of a text as scraped."""
    mark_boilerplate(lines, rules)
    _mark_head(lines, rules)
    mark_boilerplate(lines, rules)


def form_of(line: Line, is_last: bool) -> ParagraphKind:
    """Kind of paragraph that an unmarked line is."""
    if line.form == "caption":
        return "p"
    if line.form != "line":
        return line.form
    if is_last or ends_sentence(line.text) or line.size > 100 or word_count(line.text) > 14:
        return "p"
    return "h"


def _mark_head(lines: Sequence[Line], rules: BoilerplateRules) -> None:
    first, _ = prose_span(lines)
    if not any(line.kind is None and line.is_prose for line in lines):
        first = min(len(lines), 12) if len(lines) > 1 else 0
    if first > _HEAD_LINES:
        return  # a page of short lines has no head
    head = [position for position in range(first) if lines[position].kind in (None, "DUP")]
    for position in head:
        line = lines[position]
        if line.kind is None and looks_like_byline(line.text):
            line.label("BYLINE", "byline-form", "begins like a byline, above the body")
        elif line.kind is None and looks_like_date(line.text):
            line.label("DATE", "date-form", "is a date, above the body")
    for line in lines[:first]:
        if line.kind in ("RELATED", "RANKING"):
            line.label("NAV", line.rule, f"{line.evidence}, above the body")
    title = _title_position(lines, [position for position in head if lines[position].kind is None], rules)
    if title is None:
        return
    heading = lines[title].text.casefold()
    echoes = [position for position in head if lines[position].text.casefold() == heading]
    lines[title].label("TITLE", "headline", "first heading-like line above the body")
    before = [position for position in head if position < title and lines[position].kind is None]
    for position in before:
        _mark_above_title(lines[position], rules, crowded=len(before) > 3 and position != before[-1])
    header_seen = any(position < title for position in range(first)) or len(echoes) > 1
    standfirst, begun = None, False
    for position in range(title + 1, first):
        line = lines[position]
        if line.kind is not None:
            continue
        if line.text.casefold() in {lines[above].text.casefold() for above in before}:
            line.label("DUP", "repeat", f"repeats «{line.text[:60]}»")
        elif position < echoes[-1]:
            line.label("NAV", "between-headlines", f"between two copies of «{lines[title].text[:60]}»")
        elif _is_phrase_like(line.text):
            if standfirst is None and _may_be_kicker(line.text, rules, header_seen):
                line.label("KICKER", "label-above-body", "short label between headline and text")
            else:
                begun = True
        elif standfirst is None and not begun and not line.text.startswith(("•", "·", "-", "*", "“", '"', "「")):
            standfirst = position
            line.label("DEK", "standfirst", "sentence between headline and body")
    if standfirst is None and not begun and first < len(lines) and lines[first].kind is None:
        evidence = _standfirst_evidence(lines, first)
        if evidence:
            lines[first].label("DEK", "standfirst", evidence)


def _title_position(lines: Sequence[Line], candidates: Sequence[int], rules: BoilerplateRules) -> int | None:
    """The line above the body that reads most like its headline."""
    best, best_score = None, 0.0
    texts = [line.text.casefold() for line in lines[:_HEAD_LINES]]
    for rank, position in enumerate(candidates):
        text = lines[position].text
        if weight(text) > _TITLE_WEIGHT or lines[position].form == "li":
            continue
        words = word_count(text)
        score = min(words, 7.0) - 0.5 * min(rank, 6)
        if rank == 0:
            score += 3.0 if words >= 4 else 1.0
        if text.startswith(("A ", "An ")):
            score -= 3.0  # more often a picture's alternative text than a headline
        if texts.count(texts[position]) > 1 and words > 3:
            score += 4.0
        if ends_sentence(text) and not text.endswith(("?", "!", "？", "！")):
            score -= 5.0
        if text[-1:] in ",;:":
            score -= 3.0
        if _names_picture(text, rules):
            score -= 4.0
        if text.casefold() in rules.sections:
            score -= 3.0
        if words < 2 and not is_cjk(text):
            score -= 2.0
        if score > best_score:
            best, best_score = position, score
    return best


def _names_picture(text: str, rules: BoilerplateRules) -> bool:
    words = set(re.findall(r"\w+", text.casefold()))
    return not words.isdisjoint(rules.captions.picture_words) or (
        is_cjk(text) and any(word in text for word in ("写真", "画像"))
    )


def _mark_above_title(line: Line, rules: BoilerplateRules, *, crowded: bool) -> None:
    words = word_count(line.text)
    if line.text.casefold() in rules.sections:
        line.label("KICKER", "label-above-title", "names a section, above the headline")
    elif crowded:
        line.label("NAV", "above-title", "one of several short lines above the headline")
    elif _names_picture(line.text, rules) or words > _KICKER_WORDS or ends_sentence(line.text):
        line.label("CAPTION", "alt-text", "describes a picture, above the headline")
    else:
        line.label("KICKER", "label-above-title", "short label above the headline")


def _is_phrase_like(text: str) -> bool:
    return not ends_sentence(text) and word_count(text) < 6 and weight(text) < 60


def _may_be_kicker(text: str, rules: BoilerplateRules, header_seen: bool) -> bool:
    return fold(text) in rules.sections or (header_seen and word_count(text) <= _KICKER_WORDS)


def _standfirst_evidence(lines: Sequence[Line], position: int) -> str | None:
    """Why the first paragraph below a headline is a standfirst: a picture or byline follows, or the body repeats it."""
    text = lines[position].text
    later = [line for line in lines[position + 1 :] if line.kind is None and line.is_prose]
    if not later or weight(text) > 500:
        return None
    follower = lines[position + 1]
    if follower.kind in ("CAPTION", "CREDIT", "BYLINE", "DATE"):
        return f"stands between headline and {follower.kind.lower()}"
    grams = _shingles(text)
    for line in later:
        share = len(grams & _shingles(line.text)) / max(1, len(grams))
        if share >= 0.25:
            return f"{share:.0%} of it stands again in the body"
    return None


def _shingles(text: str) -> set[tuple[str, ...]]:
    tokens = list(text) if is_cjk(text) else re.findall(r"\w+", text.casefold())
    size = 6 if is_cjk(text) else 4
    return {tuple(tokens[start : start + size]) for start in range(len(tokens) - size + 1)}
