"""The form in which text is kept, and what the shape of a piece of text tells."""

from __future__ import annotations

import re
import unicodedata

# C0 and C1 controls, soft hyphen, zero-width characters, bidi marks, embeddings and isolates, lone surrogates.
_UNWANTED = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
    "\ufff9-\ufffc\ud800-\udfff]"
)
_CJK = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uff66-\uff9f]")
_LETTER = re.compile(r"[^\W\d_]")
_CLOSING = tuple(".!?…。！？．」』）)]\"'”’»›・:：;；】〉》")
_END = re.compile(r"[.!?。！？…．][\"'”’»)\]）」』]{0,3}$")
# Lower-case word, full stop, perhaps a closing quote, and at once a capitalised word: a lost paragraph break.
_JOINED = re.compile(r"(?<=[a-z]{2})([.!?][\"'”’)]?)(?=[“‘\"]?[A-Z][a-z])(?![\"][^A-Z])")
_ADDRESS = re.compile(r"(?:https?://|www\.|@)\S*$|\S*$")


def normal_text(text: str) -> str:
    """`text` in NFC on one line with single spaces, without controls, zero-width and bidi characters."""
    text = (
        " ".join(_UNWANTED.sub("", text).split())
        if not text.isascii() or not text.isprintable()
        else " ".join(text.split())
    )
    return text if text.isascii() or unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)


def is_cjk(text: str) -> bool:
    """Whether `text` is written mainly in Japanese, Chinese or Korean characters."""
    sample = text[:2000]
    return not sample.isascii() and 3 * len(_CJK.findall(sample)) > len(_LETTER.findall(sample))


def weight(text: str) -> int:
    """Length of `text` in Latin characters: one of CJK says about as much as two and a half."""
    return len(text) if text.isascii() else len(text) + 3 * len(_CJK.findall(text)) // 2


def word_count(text: str) -> int:
    """Words of `text`; five characters of CJK count as two words."""
    if text.isascii():
        return len(text.split())
    return len(_CJK.sub(" ", text).split()) + 2 * len(_CJK.findall(text)) // 5


def ends_sentence(text: str) -> bool:
    """Whether `text` ends like a finished sentence."""
    return _END.search(text[-6:]) is not None


def is_closed(text: str) -> bool:
    """Whether `text` ends in any closing punctuation."""
    return text.endswith(_CLOSING)


def split_joined(text: str) -> list[str]:
    """`text` cut where a scraper lost the paragraph break between two sentences (`said.The`)."""
    if "." not in text and "?" not in text and "!" not in text:
        return [text]
    parts, start = [], 0
    for match in _JOINED.finditer(text):
        before = text[start : match.end()]
        word = before.rsplit(" ", 1)[-1]
        after = text[match.end() : match.end() + 40].split(" ", 1)[0]
        # Addresses and names such as `www.Example.com`, `asahi.Com`, `Node.Js` are written so.
        if len(before.split()) < 3 or "/" in word or "@" in word or "." in word[:-2] or "." in after.rstrip(".”\"'"):
            continue
        parts.append(before.strip())
        start = match.end()
    parts.append(text[start:].strip())
    return parts
