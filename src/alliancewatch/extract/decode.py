"""Bytes of a page as text, by the rules of the web rather than of Python's codec registry.

The order follows the WHATWG Encoding Standard (byte order mark, transport charset, `meta`, content), with one
departure that real servers force: bytes that are valid UTF-8 beyond ASCII are UTF-8 whatever a header claims.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

SAMPLE_BYTES = 64 * 1024
"""How much of a page is looked at to find its encoding."""

_CODEC_OF_LABEL = {
    **dict.fromkeys(("utf-8", "utf8", "unicode-1-1-utf-8", "x-unicode20utf8"), "utf-8"),
    **dict.fromkeys(
        (
            "iso-8859-1",
            "iso8859-1",
            "iso_8859-1",
            "latin1",
            "l1",
            "ascii",
            "us-ascii",
            "ansi_x3.4-1968",
            "windows-1252",
            "cp1252",
            "x-cp1252",
        ),
        "cp1252",
    ),
    **dict.fromkeys(
        ("shift_jis", "shift-jis", "sjis", "x-sjis", "ms_kanji", "ms932", "windows-31j", "csshiftjis", "cp932"),
        "cp932",
    ),
    **dict.fromkeys(("euc-jp", "eucjp", "x-euc-jp", "cseucpkdfmtjapanese"), "euc_jp"),
    **dict.fromkeys(("iso-2022-jp", "csiso2022jp"), "iso2022_jp_ext"),
    **dict.fromkeys(("utf-16", "utf-16le", "unicode", "ucs-2", "iso-10646-ucs-2", "csunicode"), "utf-16-le"),
    **dict.fromkeys(("utf-16be", "unicodefffe"), "utf-16-be"),
    **dict.fromkeys(("gb2312", "gbk", "gb18030", "x-gbk", "gb_2312-80", "chinese", "csgb2312"), "gb18030"),
    **dict.fromkeys(("big5", "big5-hkscs", "cn-big5", "x-x-big5", "csbig5"), "big5hkscs"),
    **dict.fromkeys(
        ("euc-kr", "euckr", "ks_c_5601-1987", "ksc5601", "korean", "windows-949", "cseuckr", "uhc"), "cp949"
    ),
    **{f"windows-125{n}": f"cp125{n}" for n in (0, 1, 3, 4, 5, 6, 7, 8)},
    **{f"cp125{n}": f"cp125{n}" for n in (0, 1, 3, 4, 5, 6, 7, 8)},
    **{f"iso-8859-{n}": f"iso8859-{n}" for n in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)},
    **dict.fromkeys(("iso-8859-9", "latin5"), "cp1254"),
    **dict.fromkeys(("koi8-r", "koi8", "koi"), "koi8-r"),
    **dict.fromkeys(("koi8-u", "koi8-ru"), "koi8-u"),
    **dict.fromkeys(("tis-620", "windows-874", "iso-8859-11"), "cp874"),
    **dict.fromkeys(("macintosh", "mac", "x-mac-roman"), "mac-roman"),
}
_SINGLE_BYTE = re.compile(r"cp12|cp874|iso8859|koi8|mac")
_META_CHARSET = re.compile(
    rb"<(?:meta|\?xml)\b[^>]{0,400}?(?:charset|encoding)\s?=\s?[\"']?\s?([A-Za-z0-9_.:-]{2,40})", re.I
)
_MULTIBYTE = re.compile(rb"[\xc2-\xf4][\x80-\xbf]")
_JIS_ESCAPE = re.compile(rb"\x1b(?:\$[@B]|\([IJ])")
_HANGUL = re.compile("[가-힣]")
_KANA = re.compile("[ぁ-んァ-ヶー]")
_HALFWIDTH_KANA = re.compile("[｡-ﾟ]")
_CHINESE = re.compile("[的一是不了在人有我這这中大為为國国]")
_C1 = re.compile("[\x80-\x9f]")


@dataclass(frozen=True, slots=True)
class Decoded:
    """The text of some bytes, and how it was read."""

    text: str
    charset: str
    """The encoding used, by its name on the web."""
    replaced: int
    """Characters that could not be read and became U+FFFD."""

    @property
    def readable(self) -> bool:
        """Whether at most one character in a hundred was lost."""
        return self.replaced * 100 <= len(self.text)


def codec_of(label: str | None) -> str | None:
    """Python's codec for a charset label of the web, or None: labels such as `rot13` reach no codec."""
    return _CODEC_OF_LABEL.get(label.strip().strip("\"'").lower()) if label else None


def decode(body: bytes, declared: str | None = None) -> Decoded:
    """Read `body`, of which a header declared the charset `declared`; never raises."""
    codec, skip = _sniff(body, declared)
    data = body[skip:]
    # A page may end in the middle of a character, so what follows the last whole one is dropped, not replaced.
    text = codecs.getincrementaldecoder(codec)("replace").decode(data, final=False)
    return Decoded(text, _web_name(codec), text.count("\ufffd"))


def _web_name(codec: str) -> str:
    names = {"cp1252": "windows-1252", "cp932": "shift_jis", "euc_jp": "euc-jp", "iso2022_jp_ext": "iso-2022-jp"}
    names |= {"cp949": "euc-kr", "big5hkscs": "big5"}
    return names.get(codec, codec)


def _sniff(body: bytes, declared: str | None) -> tuple[str, int]:
    """The codec to use, and how many bytes of byte order mark to skip."""
    for mark, codec in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if body.startswith(mark):
            return codec, len(mark)
    sample = body[:SAMPLE_BYTES]
    if (wide := _unmarked_utf16(sample)) is not None:
        return wide, 0
    if _JIS_ESCAPE.search(sample) and sample.isascii():
        return "iso2022_jp_ext", 0
    if _reads(sample, "utf-8") and (_MULTIBYTE.search(sample) or _later_utf8(body)):
        return "utf-8", 0
    meta = _META_CHARSET.search(sample)
    claims = [codec_of(declared), codec_of(meta.group(1).decode("ascii") if meta else None)]
    # A single-byte encoding reads anything, so a multi-byte claim that reads without error is the better witness.
    codecs_claimed = [codec for codec in claims if codec and not codec.startswith("utf-16")]
    for codec in sorted(codecs_claimed, key=lambda codec: bool(_SINGLE_BYTE.match(codec))):
        if not sample.isascii() and codec != "utf-8" and _reads(sample, codec):
            return codec, 0
    if sample.isascii():
        return (codecs_claimed[0] if codecs_claimed else "utf-8"), 0
    return _guess(sample, codecs_claimed), 0


def _later_utf8(body: bytes) -> bool:
    """Whether a page whose sample is pure ASCII goes on in UTF-8."""
    rest = body[SAMPLE_BYTES:]
    return not rest.isascii() and _reads(rest, "utf-8")


def _unmarked_utf16(sample: bytes) -> str | None:
    even, odd = sample[0:2000:2], sample[1:2000:2]
    if len(odd) < 8:
        return None
    if odd.count(0) * 10 > len(odd) * 4 and even.count(0) * 20 < len(even):
        return "utf-16-le"
    if even.count(0) * 10 > len(even) * 4 and odd.count(0) * 20 < len(odd):
        return "utf-16-be"
    return None


def _reads(sample: bytes, codec: str) -> bool:
    try:
        codecs.getincrementaldecoder(codec)("strict").decode(sample, final=False)
    except UnicodeDecodeError:
        return False
    return True


def _guess(sample: bytes, claimed: list[str]) -> str:
    """The most plausible encoding of bytes that no claim reads without error."""
    best, best_score = "", 0.0
    for codec in dict.fromkeys((*claimed, "utf-8", "cp932", "euc_jp", "cp949", "gb18030", "big5hkscs")):
        text = codecs.getincrementaldecoder(codec)("replace").decode(sample, final=False)
        losses = text.count("\ufffd")
        foreign = sum(1 for character in text if character > "\x7f") or 1
        native = {"cp949": _HANGUL, "gb18030": _CHINESE, "big5hkscs": _CHINESE}.get(codec, _KANA)
        score = (len(native.findall(text)) - len(_HALFWIDTH_KANA.findall(text))) / foreign
        if codec in {"gb18030", "big5hkscs"}:
            score *= 3  # these few characters make up about a tenth of Chinese prose
        if codec == "utf-8":
            score = 2.0 - losses / foreign
        if codec in claimed:
            score += 0.1
        score -= (1.0 if losses else 0.0) + 2 * losses / foreign + len(_C1.findall(text)) / foreign
        if score > best_score:
            best, best_score = codec, score
    return best if best_score > 0.15 else "cp1252"
