"""How complete the text is, and by what it can be told.

The body decides first: a counter of what is left, an end in the middle of a sentence, a phrase that says the rest is
withheld. Machine flags such as `isAccessibleForFree` are contradicted by the text on too many real pages to decide
anything alone; they are recorded as evidence and tip the balance for a very short body.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from alliancewatch.boilerplate import PAYWALL_KINDS, PHRASE_CHARS, BoilerplateRules, Line, fold
from alliancewatch.model import Access, AccessStatus
from alliancewatch.prose import ends_sentence, is_cjk, is_closed, weight, word_count

SHORT_BODY_WORDS = 120
LONG_BODY_WORDS = 400
NEAR_LINES = 4
"""How far below the body a phrase still speaks of this body."""

_LEFT = re.compile(r"残り\s?[:：]?\s?([\d,]{1,9})\s?(?:文字|字)")
_TOTAL = re.compile(r"全文\s?[:：]?\s?([\d,]{1,9})\s?(?:文字|字)")
_RENDERED_METER = re.compile(
    r"\b\d{1,2} (?:of \d{1,2} )?(?:free |complimentary )?(?:articles?|stories|story) (?:left|remaining)"
    r"|\b\d{1,2} free articles?"
)
_TRAILS_OFF = re.compile(r"(?:\.\.\.|…|\[…\]|\[\.\.\.\]|・・・)[\"'”’」』)）\]]?$")
_SENTENCE_BREAK = re.compile(r"(?<=[a-z][.!?]) |(?<=[。！？])")
_TEXT_ENDS = tuple(".!?。！？…．\"'”’»」』）)〉》】]：:;")


@dataclass(frozen=True, slots=True)
class AccessSigns:
    """What the page's machine-readable parts say of access."""

    free: bool | None = None
    """`isAccessibleForFree` of the article."""
    tier: str | None = None
    """`article:content_tier` or its like: free, metered, locked."""


def assess_access(lines: Sequence[Line], rules: BoilerplateRules, signs: AccessSigns = AccessSigns()) -> Access:
    """Completeness of the article whose blocks, marked and in page order, are `lines`."""
    body = [position for position, line in enumerate(lines) if line.kind is None]
    text_length = sum(lines[position].size for position in body)
    flags = _flag_evidence(signs)
    if not body or (text_length < 80 and not any(lines[position].is_prose for position in body)):
        remaining, total, _ = _counter(lines)
        return Access(AccessStatus.BLOCKED, ("no paragraph of article text", *flags), remaining, total)
    words = sum(word_count(lines[position].text) for position in body)
    below = _lines_below(lines, body)
    stops = _stop_phrases(lines, rules, below)
    walled = any(lines[position].kind in PAYWALL_KINDS for position in below)
    ending = _ending(lines, body, suspicious=bool(stops) or walled or signs.free is False or signs.tier == "locked")
    remaining, total, counter = _counter(lines)

    if counter is not None:
        status = AccessStatus.REGISTRATION if "registration" in stops and "strong" not in stops else AccessStatus.TEASER
        return Access(status, (counter, *stops.values(), *flags), remaining, total)
    if "adblock" in stops and words < LONG_BODY_WORDS:
        return Access(AccessStatus.ADBLOCK_NOTICE, (stops["adblock"], *flags))
    if "registration" in stops and words < LONG_BODY_WORDS:
        return Access(AccessStatus.REGISTRATION, (stops["registration"], *ending, *flags))
    if "strong" in stops and words < LONG_BODY_WORDS:
        return Access(AccessStatus.TEASER, (stops["strong"], *ending, *flags))
    if ending:
        return Access(AccessStatus.TEASER, (*ending, *stops.values(), *flags))
    if words < SHORT_BODY_WORDS and signs.free is not True:  # a subscription box stands below short free news too
        short = f"body of only {words} words"
        if "weak" in stops:
            return Access(AccessStatus.TEASER, (short, stops["weak"], *flags))
        if signs.free is False or signs.tier == "locked":
            return Access(AccessStatus.TEASER, (short, *flags))
        follower = lines[below[0]] if below else None
        if follower is not None and follower.kind in PAYWALL_KINDS | {"SPONSOR"} and len(body) <= 3:
            return Access(AccessStatus.TEASER, (short, f"followed by «{follower.text[:60]}»", "low confidence"))
    meter = _rendered_meter(lines)
    if signs.tier == "metered" or meter is not None:
        return Access(AccessStatus.METERED, (*([meter] if meter else []), *flags))
    last = lines[body[-1]].text
    return Access(AccessStatus.FULL, (f"body ends «{last[-40:]}»", *flags))


def _flag_evidence(signs: AccessSigns) -> tuple[str, ...]:
    flags = []
    if signs.free is not None:
        flags.append(f"isAccessibleForFree={str(signs.free).lower()}")
    if signs.tier is not None:
        flags.append(f"content_tier={signs.tier}")
    return tuple(flags)


def _lines_below(lines: Sequence[Line], body: Sequence[int]) -> list[int]:
    """Positions of the first cut blocks below the body; captions are passed over."""
    last_prose = next((position for position in reversed(body) if lines[position].is_prose), body[-1])
    below = []
    for position in range(last_prose + 1, len(lines)):
        if lines[position].kind not in (None, "CAPTION", "CREDIT", "BIO", "BYLINE", "DATE", "DUP", "HIDDEN", "AD"):
            below.append(position)
            if len(below) == NEAR_LINES:
                break
    return below


def _stop_phrases(lines: Sequence[Line], rules: BoilerplateRules, below: Sequence[int]) -> dict[str, str]:
    """The first stop phrase of each list among the visible cut blocks, as evidence; weak ones only near the body."""
    found: dict[str, str] = {}
    near = set(below)
    for position, line in enumerate(lines):
        if line.kind in (None, "HIDDEN", "CAPTION", "CREDIT", "TITLE", "DEK", "COMMENTS", "RELATED", "RANKING"):
            continue
        hits = list(rules.access_index.hits(fold(line.text[:PHRASE_CHARS])))
        if any(hit.value == "never" for hit in hits):
            continue
        for hit in hits:
            if hit.value != "weak" or position in near:
                found.setdefault(hit.value, f"stop phrase «{hit.phrase}»")
    return found


def _counter(lines: Sequence[Line]) -> tuple[int | None, int | None, str | None]:
    """Characters left and in all, where a block counts them, with the block as evidence."""
    for line in lines:
        if "残" not in line.text or line.kind in ("HIDDEN", "RELATED", "RANKING"):
            continue
        text = unicodedata.normalize("NFKC", line.text)
        if len(text) > 160 or (line.kind is None and ends_sentence(text)):
            continue
        left = _LEFT.search(text)
        if left is not None:
            total = _TOTAL.search(text)
            return _number(left), _number(total) if total else None, f"counter «{text[:60]}»"
    return None, None, None


def _number(match: re.Match[str]) -> int:
    return int(match.group(1).replace(",", "") or 0)


def _ending(lines: Sequence[Line], body: Sequence[int], *, suspicious: bool) -> tuple[str, ...]:
    """Evidence that the body stops before its end; empty when it ends like a finished text."""
    last = next((lines[p] for p in reversed(body) if lines[p].form in ("p", "line", "quote")), lines[body[-1]])
    text = last.text
    if _TRAILS_OFF.search(text[-12:]) and weight(text) >= 40:
        return (f"ends in «{text[-20:]}»",)
    if last is not lines[body[-1]] or text.endswith(_TEXT_ENDS) or is_closed(text):
        return ()
    prose = [lines[position].text for position in body if lines[position].is_prose]
    closed = sum(is_closed(paragraph) for paragraph in prose)
    unfinished = _SENTENCE_BREAK.split(text)[-1]
    if closed * 10 < len(prose) * 7 or weight(text) < 60 or weight(unfinished) < 12:
        return ()
    midway = is_cjk(text) or unfinished[-1].islower() or text[-1] == ","
    # A caption or a name may end a page of HTML, so there a sentence must stop after finished ones, or a second sign.
    sure = last.form == "line" or suspicious or (unfinished != text and weight(unfinished) >= 25)
    if sure and (midway or (unfinished[-1].isdigit() and (suspicious or last.form == "line"))):
        return (f"stops in the middle of a sentence «{text[-40:]}»",)
    return ()


def _rendered_meter(lines: Sequence[Line]) -> str | None:
    """A meter that counts for this reader. A template that was never filled in counts for nobody."""
    if any("{{" in line.text for line in lines if line.kind == "METER"):
        return None
    for line in lines:
        if line.kind == "METER" and _RENDERED_METER.search(fold(line.text)):
            return f"meter «{line.text[:60]}»"
    return None
