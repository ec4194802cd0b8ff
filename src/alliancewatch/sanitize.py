"""What of the web may be shown: HTML reduced to a strict allow-list, text to one harmless line, addresses to http(s).

The digest shows text only, escaped; `sanitize_html` is for the places that keep markup. Nothing here raises
on any text.
"""

from __future__ import annotations

import re
import unicodedata
from html import escape, unescape
from urllib.parse import urlsplit

import idna
import nh3
from selectolax.lexbor import LexborHTMLParser, LexborNode

_TAGS = set(
    str.split(
        "a abbr b blockquote br cite code dd del dfn dl dt em figcaption figure h1 h2 h3 h4 h5 h6 hr i ins kbd li"
        " mark ol p pre q rp rt ruby s samp small span strong sub sup time u ul var wbr"
    )
)
_DROPPED_WITH_CONTENT = set(
    str.split(
        "applet audio button canvas embed frameset iframe math noembed noframes noscript object option script"
        " select style svg template textarea title video xmp"
    )
)
_ATTRIBUTES = {"*": {"lang"}, "a": {"href"}, "abbr": {"title"}, "time": {"datetime"}}
_BLOCK_TAG = re.compile(
    r"(?=</?(?:address|article|aside|blockquote|br|dd|div|dl|dt|figcaption|figure|footer|h[1-6]|header|hr|li|main|nav"
    r"|ol|p|pre|section|table|td|th|tr|ul)\b)",
    re.IGNORECASE,
)
_TAG_START = re.compile(r"</?[a-zA-Z]")
_ANY_TAG = re.compile(r"<[^<>]*>")
_MAY_HIDE = re.compile(r"\bhidden\b|\bstyle\b", re.IGNORECASE)
_HIDING_STYLE = re.compile(r"display:none|visibility:(?:hidden|collapse)|opacity:0(?:;|$)|font-size:0")

# html5ever needs time that grows with the square of the depth: 17 s for 100,000 nested <div>, 0.2 s for this many.
_MAX_TAGS = 10_000

# Controls, soft hyphen, bidirectional and zero-width characters, fillers, tags, lone surrogates, noncharacters.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U000e0000-\U000e0fff]"
)
_SPACE = re.compile(r"\s+")
_ENCODED_WORD = re.compile(r"=\?[^?\s]{1,75}\?[bq]\?[^?\s]*\?=", re.IGNORECASE)


def sanitize_html(html: str) -> str:
    """The part of an HTML fragment that is safe to show, as a fragment: text, simple structure, links to http(s).

    Dropped with their content: scripts, styles, embedded things, SVG and MathML, controls, and what the page hides.
    Dropped as tags only: everything else that is not on the list, forms and images among them. No attribute but `lang`,
    `href`, `title` of an abbreviation and `datetime` stays, and a relative or odd link loses its address. Sanitising
    the result again changes nothing.
    """
    html = _INVISIBLE.sub("", html)
    if html.count("<") > _MAX_TAGS:
        html = _text_only(html)
    if _MAY_HIDE.search(html):
        html = _without_hidden(html)
    # Parsing what was serialised may move misnested tags once more, so go on until it stands still.
    for _ in range(5):
        cleaned = _INVISIBLE.sub("", _clean(html))
        if cleaned == html:
            return cleaned
        html = cleaned
    return _INVISIBLE.sub("", _clean(_text_only(html)))


def plain_text(html_or_text: str, max_chars: int = 200) -> str:
    """One line of at most `max_chars` without markup: for titles and names that may come with tags and entities.

    Entities are decoded up to three times, because feeds encode them twice. Text in angle brackets that is no tag
    stays.
    """
    text = _INVISIBLE.sub("", _SPACE.sub(" ", html_or_text[: max_chars * 100]))
    for _ in range(3):
        if _TAG_START.search(text) and text.count("<") <= _MAX_TAGS:
            bare = nh3.clean(_BLOCK_TAG.sub("\n", text), tags=set(), clean_content_tags=_DROPPED_WITH_CONTENT)
        else:
            bare = text
        bare = unescape(bare)
        if bare == text:
            break
        text = bare
    return one_line(text, max_chars)


def one_line(text: str, max_chars: int = 200) -> str:
    """`text` as one line fit for a header or a list: at most `max_chars`, then `…`.

    Control, bidirectional and zero-width characters and lone surrogates are removed, runs of white space become one
    space, and nothing that a mail program could decode (`=?UTF-8?Q?…?=`, RFC 2047) is left: on Python 3.11.7 such a
    word in a header writes a header line of its own (CVE-2024-6923).
    """
    text = _SPACE.sub(" ", text[: max_chars * 20])
    text = _INVISIBLE.sub("", text)
    text = _ENCODED_WORD.sub("", text).replace("=?", "= ?")
    text = _SPACE.sub(" ", text).strip()
    return text if len(text) <= max_chars else text[: max_chars - 1].rstrip() + "…"


def is_printable(text: str) -> bool:
    """Whether nothing in `text` is invisible or a control other than white space, so that it can be shown verbatim."""
    return _INVISIBLE.search(text) is None


def safe_link(url: str | None) -> str | None:
    """`url` if a reader can be sent there: http(s), a host, no user name, white space or control; else None."""
    if url is None or len(url) > 2048 or _INVISIBLE.search(url) or _SPACE.search(url) or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and host and "@" not in parts.netloc else None


def display_host(url: str) -> str:
    """The host of an address as a reader should see it, without `www.`; empty when there is none.

    A label in an international domain name is shown in its own script if that is Latin, Japanese or Korean and the
    only one in the label; otherwise, and so for look-alikes such as `аpple` with a Cyrillic `а`, as punycode.
    """
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return ""
    shown = ".".join(_display_label(label) for label in host.split("."))
    return one_line(shown.removeprefix("www."), 100)


def _display_label(label: str) -> str:
    try:
        if label.startswith("xn--"):
            puny, text = label, idna.ulabel(label)
        else:
            puny, text = idna.alabel(label).decode("ascii") if not label.isascii() else label, label
    except (idna.IDNAError, UnicodeError):
        return label.encode("ascii", "backslashreplace").decode("ascii")
    scripts = {_script(char) for char in text if char not in "-0123456789"}
    return text if scripts <= {"LATIN"} or scripts in ({"JAPANESE"}, {"HANGUL"}) else puny


def _script(char: str) -> str:
    name = re.split(r"[ -]", unicodedata.name(char, "UNKNOWN"), maxsplit=1)[0]
    return "JAPANESE" if name in ("HIRAGANA", "KATAKANA", "CJK", "IDEOGRAPHIC") else name


def _clean(html: str) -> str:
    return nh3.clean(
        html,
        tags=_TAGS,
        clean_content_tags=_DROPPED_WITH_CONTENT,
        attributes=_ATTRIBUTES,
        attribute_filter=lambda _tag, name, value: safe_link(value) if name == "href" else value,
        url_schemes={"http", "https"},
        url_relative="deny",
        link_rel="noopener noreferrer nofollow",
    )


def _without_hidden(html: str) -> str:
    tree = LexborHTMLParser(html)
    hidden = [node for node in tree.css("[hidden], [style]") if _is_hidden(node)]
    if not hidden or tree.body is None:
        return html
    for node in reversed(hidden):  # inner nodes first: a removed parent frees its children
        node.decompose()
    return tree.body.inner_html or ""


def _is_hidden(node: LexborNode) -> bool:
    style = _SPACE.sub("", node.attributes.get("style") or "").lower()
    return "hidden" in node.attributes or _HIDING_STYLE.search(style) is not None


def _text_only(html: str) -> str:
    return escape(unescape(_ANY_TAG.sub(" ", html)), quote=False)
