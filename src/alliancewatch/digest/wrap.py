"""Line breaking for plain text in which Japanese and Latin script mix."""

from __future__ import annotations

import re
import unicodedata

_NOT_FIRST = "、。，．・：；？！ー…」』）】〉》〕］｝”’々ぁぃぅぇぉっゃゅょァィゥェォッャュョ"
_NOT_LAST = "「『（【〈《〔［｛“‘"
# A piece that stays together: one wide character with what may not be parted from it, or a word.
_PIECE = re.compile(
    rf"[{_NOT_LAST}]*(?:[\u2e80-\uffef][{_NOT_FIRST}]*|[^\s\u2e80-\uffef{_NOT_LAST}]+[{_NOT_FIRST}]*|$)|\s+|."
)


def columns(text: str) -> int:
    """Width of `text` in columns of a fixed-width font: 2 for a wide character, 0 for a combining mark."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def wrap(text: str, width: int, *, hang: str = "") -> list[str]:
    """`text` in lines of at most `width` columns, all but the first beginning with `hang`.

    Breaks at spaces and between Japanese characters, not before closing punctuation; a longer word is cut.
    """
    indent = text[: len(text) - len(text.lstrip())]
    lines, line, used = [], indent, columns(indent)
    for piece in _pieces(text.strip(), width - columns(hang)):
        wide = columns(piece)
        if used + (0 if piece == " " else wide) > width and line.strip():
            lines.append(line.rstrip())
            line, used = hang, columns(hang)
            if piece == " ":
                continue
        if piece == " " and line == hang and lines:
            continue
        line, used = line + piece, used + wide
    return [*lines, line.rstrip()]


def _pieces(text: str, width: int) -> list[str]:
    pieces: list[str] = []
    for match in _PIECE.finditer(text):
        piece = " " if match[0].isspace() else match[0]
        while columns(piece) > width:
            stop = width // 2 if columns(piece[:width]) > width else width
            pieces.append(piece[:stop])
            piece = piece[stop:]
        if piece:
            pieces.append(piece)
    return pieces
