"""Text folded so that a phrase is found however it was typed, and the way back to the text as it was given."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass

_SPACE = r"\s\-\u2010-\u2015\u2212"
_UNSEEN = r"\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff\ufff9-\ufffb"
_MARK = r"\u0300-\u036f\u3099\u309a\uff9e\uff9f"

_ALIKE = {
    **dict.fromkeys(map(ord, "‘’‛ʼ′`´"), "'"),
    **dict.fromkeys(map(ord, "“”„‟″«»"), '"'),
    **dict.fromkeys(map(ord, "-‐‑‒–—―−\t\n\r\v\f"), " "),
    0x130: "I",  # the one letter whose lower case is two code points
}


def _unaccented(char: str) -> str:
    base = unicodedata.normalize("NFD", char)[:1]
    return base if base.isascii() else char


def _compatible(text: str) -> str:
    return "".join(_unaccented(char) if char < "ɐ" else char for char in unicodedata.normalize("NFKC", text))


class _OneToOne(dict[int, str]):
    """Code point to its folded form, filled as code points are met; what would change length stays as it is."""

    def __missing__(self, code_point: int) -> str:
        char = chr(code_point)
        folded = " " if char.isspace() else _compatible(char)
        self[code_point] = folded if len(folded) == 1 else char
        return self[code_point]


_ONE_TO_ONE = _OneToOne(_ALIKE)

# What is left out folds to itself: translating only the rest is three times as fast on Japanese.
_FOLDABLE = re.compile("[^ !-,.-_a-~\u3001-\u3003\u3005-\u3029\u3041-\u3096\u30a1-\u30fe\u4e00-\u9fff]+")

# Everything NFKC makes longer and a newspaper prints (ligatures, fractions, ㈱, ㌔, an ellipsis) lies in these blocks.
_LONGER = "".join(
    chr(code_point)
    for code_point in (*range(0xA1, 0x250), *range(0x2000, 0x3400), *range(0xFB00, 0xFB50))
    if code_point not in _ALIKE and not chr(code_point).isspace() and len(_compatible(chr(code_point))) > 1
)
# The lookahead tries one set at each place instead of four alternatives; marks are rare enough to ask for them first.
_LONGER_SET = re.escape(_LONGER)
_WITHOUT_MARKS = (
    rf"(?=[U{_SPACE}{_UNSEEN}{_LONGER_SET}])"
    rf"(?:(?<![A-Za-z])U\. ?S\.(?: ?A\.(?![A-Za-z]))?|[{_SPACE}][{_SPACE}{_UNSEEN}]+|[{_UNSEEN}]+|[{_LONGER_SET}])"
)
_HAS_MARKS = re.compile(f"[{_MARK}]")
_RESHAPED = re.compile(_WITHOUT_MARKS)
# At most eight marks at a time: canonical ordering is quadratic in the length of a run of marks.
_RESHAPED_WITH_MARKS = re.compile(rf".[{_MARK}]{{1,8}}|{_WITHOUT_MARKS}")


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded text: `cased` keeps capitals, `plain` is in lower case; both have the same length."""

    cased: str
    plain: str
    _starts: tuple[int, ...]
    """Where each reshaped place begins in the folded text."""
    _segments: tuple[tuple[int, int, int], ...]
    """And for each its folded end, original start and original end."""

    def span(self, start: int, end: int) -> tuple[int, int] | None:
        """The place of folded `[start, end)` in the original text, in code points.

        None when it begins or ends inside what was one character, such as a ligature.
        """
        if not self._starts:
            return start, end
        original_start, original_end = start, end
        index = bisect_right(self._starts, start) - 1
        if index >= 0:
            folded_end, segment_start, segment_end = self._segments[index]
            if self._starts[index] < start < folded_end:
                return None
            original_start = segment_start if start < folded_end else segment_end + start - folded_end
        index = bisect_right(self._starts, end - 1) - 1
        if index >= 0:
            folded_end, _, segment_end = self._segments[index]
            if end < folded_end:
                return None
            original_end = segment_end + end - folded_end
        return original_start, original_end


def fold(text: str) -> Folded:
    """The text in one form: NFKC, no accents, straight quotes, hyphens and runs of space as one space.

    `U.S.` becomes `US`, `defence` becomes `defense`, characters that show nothing are dropped. Linear in the length
    of the text.
    """
    pieces: list[str] = []
    starts: list[int] = []
    segments: list[tuple[int, int, int]] = []
    done = length = 0
    reshaped = _RESHAPED_WITH_MARKS if _HAS_MARKS.search(text) else _RESHAPED
    for match in reshaped.finditer(text):
        piece = _reshaped(match[0])
        pieces += text[done : match.start()], piece
        start = length + match.start() - done
        length, done = start + len(piece), match.end()
        starts.append(start)
        segments.append((length, match.start(), done))
    joined = "".join((*pieces, text[done:]))
    cased = _FOLDABLE.sub(lambda run: run[0].translate(_ONE_TO_ONE), joined)
    plain = cased.lower().replace("defence", "defense")
    return Folded(cased, plain, tuple(starts), tuple(segments))


def _reshaped(piece: str) -> str:
    if piece[0] == "U" and piece[1:2] == ".":
        return "US"
    first = piece[0].translate(_ONE_TO_ONE)
    if first == " ":
        return " "
    return re.sub(rf"[{_UNSEEN}]", "", _compatible(piece))
