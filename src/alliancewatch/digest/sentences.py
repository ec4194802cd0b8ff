"""Where sentences begin and end, in English and Japanese prose.

Right for `U.S.`, `Jan. 5` and `Lt. Gen.`, and for a full stop inside 「」 or “ ”, where a sentence does not end.
"""

from __future__ import annotations

import re
from collections import Counter

Span = tuple[int, int]

_TERMINAL = re.compile(r"[.!?…]+|[。！？]+")
_CLOSERS = "\"'”’」』）)】〉》］]"
_PAIRS = {"「": "」", "『": "』", "（": "）", "“": "”", "(": ")", "【": "】", "〈": "〉", "《": "》"}

# Never the end of a sentence: a name or a number follows.
_TITLES = frozenset(
    str.split(
        "adm amb brig capt cdr cmdr col cpl cpt dr fr ft gen gov hon lt maj messrs mr mrs ms msgr mt pfc pres"
        " prof pvt rep rev sen sgt st supt vs e.g i.e cf approx"
    )
)
# The end of a sentence only when a word follows that opens one.
_ABBREVIATIONS = frozenset(
    str.split(
        "Jan Feb Mar Apr Jun Jul Aug Sept Sep Oct Nov Dec Mon Tue Tues Wed Thu Thur Thurs Fri Sat Sun Inc Corp Co"
        " Ltd Bros Jr Sr Dept Assn Univ Ave Blvd Rd Sq Ret dept est etc al"
    )
)
# The end of a sentence unless a number follows.
_NUMBERED = frozenset(str.split("no nos art fig vol pp para sec"))
_OPENERS = frozenset(
    str.split(
        "A An The This That These Those He She It They We I You His Her Its Their Our My But And Or So Yet Nor If"
        " When While As At By For From In Into On To With After Before During Since Until Under Over Both Each"
        " Every Some Many Most All No Not There Here What Who Why How However Meanwhile Moreover Still Also Then"
        " Although Though Because Despite Last Next Earlier Later Instead Other Another"
    )
)
_WORD_BEFORE = re.compile(r"[A-Za-z][A-Za-z.]*$")
_NEXT_WORD = re.compile(r"[\"'“‘「(（]*([A-Za-z]+)")


def sentence_spans(text: str) -> list[Span]:
    """`[start, end)` of each sentence in code points, without the white space around it; a line break ends one."""
    spans: list[Span] = []
    for line in re.finditer(r"[^\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+", text):
        ends = [line.start() + end for end in _ends(line[0])]
        start = line.start()
        for end in (*ends, line.end()):
            piece = text[start:end]
            bare = piece.strip()
            if bare:
                first = start + piece.index(bare)
                spans.append((first, first + len(bare)))
            start = end
    return spans


def is_complete(sentence: str) -> bool:
    """Whether it ends like a sentence: with a stop and perhaps closing quotes, but not with an ellipsis."""
    bare = sentence.rstrip(_CLOSERS)
    return bare.endswith((".", "!", "?", "。", "！", "？")) and not bare.endswith("..")


def _ends(line: str) -> list[int]:
    inside = _quoted(line)
    ends = []
    for match in _TERMINAL.finditer(line):
        end = match.end()
        while end < len(line) and line[end] in _CLOSERS:
            end += 1
        japanese = match[0][0] in "。！？"
        closed = end > match.end()
        if end < len(line) and inside[end - 1] and inside[end]:
            continue
        follows = line[end : end + 40]
        if follows[:1].isspace():
            stops = japanese or not _goes_on(line[: match.start()], follows.lstrip(), match[0])
        else:
            stops = japanese and not closed
        if stops:
            ends.append(end)
    return ends


def _goes_on(before: str, follows: str, stop: str) -> bool:
    """Whether what looks like a stop is part of the sentence, by the words on either side."""
    if follows[:1].islower():
        return True
    if stop != ".":
        return False
    word = _WORD_BEFORE.search(before[-20:])
    if word is None:
        return False
    token = word[0].lower()
    if token in _TITLES:
        return True
    if token in _NUMBERED:
        return follows[:1].isdigit()
    if word[0] in _ABBREVIATIONS or len(token) == 1 or re.fullmatch(r"[a-z](\.[a-z]{1,2})+", token):
        opener = _NEXT_WORD.match(follows)
        return opener is None or opener[1] not in _OPENERS
    return False


def _quoted(line: str) -> list[bool]:
    """For each character, whether it is inside a pair of quotes or brackets that is closed on the same line."""
    depth = [0] * (len(line) + 1)
    open_at: list[tuple[str, int]] = []
    awaited: Counter[str] = Counter()
    straight: int | None = None
    even = line.count('"') % 2 == 0
    for at, char in enumerate(line):
        if char in _PAIRS:
            open_at.append((_PAIRS[char], at))
            awaited[_PAIRS[char]] += 1
        elif char == '"' and even:
            if straight is None:
                straight = at
            else:
                depth[straight] += 1
                depth[at] -= 1
                straight = None
        elif awaited[char]:
            while open_at:
                closer, start = open_at.pop()
                awaited[closer] -= 1
                if closer == char:
                    depth[start] += 1
                    depth[at] -= 1
                    break
    inside, level = [], 0
    for change in depth[:-1]:
        level += change
        inside.append(level > 0)
    return inside
