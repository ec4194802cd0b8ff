"""Addresses: which spellings are one article, which host a page is on.

A canonical address is an identity, so it folds only what cannot change which article is meant: case of scheme and
host, default port, fragment, percent-coding, dot segments (RFC 3986 section 6.2), campaign parameters, AMP copies.
Path case, `%2F`, a trailing slash, the order of parameters and every parameter not known to be a campaign's stay.
The scheme stays too, since a site that has no TLS must stay reachable; `model.article_id_of` looks past it.
"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import unquote, urljoin

import idna

_HTTP_URL = re.compile(r"(https?):[/\\]{2}([^/\\?#]*)([^?#]*)(?:\?([^#]*))?", re.IGNORECASE)
_DEFAULT_PORT = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_PORT = re.compile(r"0*(\d{1,5})", re.ASCII)

_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PATH_CHARACTERS = _UNRESERVED | frozenset("!$&'()*+,;=:@/")
_QUERY_CHARACTERS = _PATH_CHARACTERS | frozenset("?")
_ESCAPE_OR_CHARACTER = re.compile(r"%[0-9A-Fa-f]{2}|.", re.DOTALL)

_TRACKING_PREFIXES = ("utm_", "at_", "mtm_", "pk_", "hsa_", "_hs", "cx_", "wt.")
_TRACKING_PARAMETERS = (
    frozenset({"dclid", "gbraid", "gclid", "gclsrc", "gs_lcrp", "srsltid", "wbraid", "_ga", "_gl"})
    | {"fb_action_ids", "fb_ref", "fb_source", "fbclid", "igsh", "igshid", "mibextid"}
    | {"msclkid", "ocid", "ref_src", "ref_url", "ttclid", "twclid", "twitter_impression", "yclid", "ysclid"}
    | {"hsctatracking", "mc_cid", "mc_eid", "mkt_tok", "oly_anon_id", "oly_enc_id", "vero_conv", "vero_id", "wickedid"}
    | {"cmpid", "emc", "ncid", "s_cid", "s_kwcid", "scid", "smid", "smtyp", "sref", "taid", "wprov", "wt_mc", "xtor"}
    | {"iref", "n_cid", "phpsessid", "tracking_source"}
)
_FEED_MARKERS = frozenset({"rss", "rss2", "atom", "feed", "rssfeed", "rss-feed"})
_FEED_MARKED_PARAMETERS = frozenset({"ref", "src", "source", "from", "partner", "cid", "mod", "feed"})
_AMP_PARAMETERS = {"amp": frozenset({"", "1", "true"}), "output": frozenset({"amp"}), "outputtype": frozenset({"amp"})}

_AMP_COPY = re.compile(
    r"https?://(?:(?:www\.)?google\.[a-z.]{2,6}(?::\d+)?/amp|[a-z0-9-]+\.cdn\.ampproject\.org(?::\d+)?/[acv])"
    r"/(s/)?(?=[^/]+\.)"
)
"""An AMP cache's address that spells out the publisher's."""
_ARTICLE_SEGMENT = re.compile(r"[0-9]|-[^-]*-")
_SESSION_SEGMENT = re.compile(r";jsessionid=[^/;?]*", re.IGNORECASE)


class _Parts(NamedTuple):
    scheme: str
    host: str
    port: int | None
    path: str
    query: str

    @property
    def authority(self) -> str:
        return self.host if self.port is None else f"{self.host}:{self.port}"


def canonical_url(url: str) -> str | None:
    """The one spelling of an article's address, or None when `url` is no http(s) address with a host.

    Pure, never raises, and idempotent. Any user name and password are left out.
    """
    canonical = _canonical(_clean(url))
    copy = _AMP_COPY.match(canonical) if canonical else None
    if canonical is None or copy is None:
        return canonical
    original = _canonical(f"http{'s' if copy[1] else ''}://{canonical[copy.end() :]}")
    return canonical if original is None or _AMP_COPY.match(original) else original


def host_of(url: str) -> str | None:
    """Host of an http(s) address in lower case and punycode, without port; None when there is none."""
    parts = _split(_clean(url))
    return parts.host if parts else None


def host_matches(host: str, domain: str) -> bool:
    """Whether `host` is `domain` or lies under it: `www.mod.go.jp` matches `mod.go.jp`, `xmod.go.jp` does not."""
    own, wanted = _normalise_host(host), _normalise_host(domain)
    return own is not None and wanted is not None and (own == wanted or own.endswith("." + wanted))


def resolve_url(link: str, base: str | None = None) -> str | None:
    """`link` made absolute against `base` and fit to be requested; None when it is no http(s) address with a host.

    The host is in lower case and punycode, what may not stand in an address is percent-coded, user name, password
    and fragment are left out; otherwise it is as offered.
    """
    link = _clean(link)
    if base is not None:
        try:
            link = urljoin(_clean(base), link)
        except ValueError:
            return None
    parts = _split(link)
    if parts is None:
        return None
    path = _encode_illegal(parts.path, _PATH_CHARACTERS) or "/"
    query = "?" + _encode_illegal(parts.query, _QUERY_CHARACTERS) if parts.query else ""
    return f"{parts.scheme}://{parts.authority}{path}{query}"


def _clean(url: str) -> str:
    """Without what a browser ignores: white space and controls around it, tabs and line breaks inside."""
    return re.sub(r"[\t\r\n]", "", url.strip("".join(map(chr, range(0x21)))))


def _split(url: str) -> _Parts | None:
    match = _HTTP_URL.match(url)
    if match is None:
        return None
    scheme = match[1].lower()
    authority = match[2].rpartition("@")[2]
    host_text, port_text = authority, ""
    if authority.startswith("["):
        host_text, bracket, port_text = authority.partition("]")
        host_text += bracket
        if port_text and not port_text.startswith(":"):
            return None
        port_text = port_text[1:]
    elif ":" in authority:
        host_text, _, port_text = authority.partition(":")
    host = _normalise_host(host_text)
    if host is None:
        return None
    port: int | None = None
    if port_text:
        port_match = _PORT.fullmatch(port_text)
        if port_match is None or int(port_match[1]) > 65535:
            return None
        port = int(port_match[1])
    path = match[3].replace("\\", "/")
    return _Parts(scheme, host, None if port == _DEFAULT_PORT[scheme] else port, path, match[4] or "")


def _canonical(text: str) -> str | None:
    parts = _split(text)
    if parts is None:
        return None
    path = _SESSION_SEGMENT.sub("", _normalise_escapes(parts.path, _PATH_CHARACTERS))
    path = _without_amp(_remove_dot_segments(path)) or "/"
    query = "&".join(
        piece
        for piece in _normalise_escapes(parts.query, _QUERY_CHARACTERS).split("&")
        if piece and not _is_tracking(piece)
    )
    return f"{parts.scheme}://{parts.authority}{path}{'?' + query if query else ''}"


def _normalise_host(host: str) -> str | None:
    if host.startswith("[") and host.endswith("]"):
        try:
            return f"[{ipaddress.IPv6Address(host[1:-1]).compressed}]"
        except ValueError:
            return None
    if len(host) > 1000:
        return None
    if "%" in host:
        host = unquote(host)
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except (UnicodeError, ValueError):
            return None
    host = host.lower().removesuffix(".")
    return host if len(host) <= 253 and _HOST.fullmatch(host) else None


def _encode(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "surrogatepass"))


def _encode_illegal(text: str, keep: frozenset[str]) -> str:
    return _ESCAPE_OR_CHARACTER.sub(
        lambda match: match[0] if len(match[0]) == 3 or match[0] in keep else _encode(match[0]), text
    )


def _normalise_escapes(text: str, keep: frozenset[str]) -> str:
    def normalise(match: re.Match[str]) -> str:
        piece = match[0]
        if len(piece) == 3:
            character = chr(int(piece[1:], 16))
            return character if character in _UNRESERVED else piece.upper()
        return piece if piece in keep else _encode(piece)

    return _ESCAPE_OR_CHARACTER.sub(normalise, text)


def _remove_dot_segments(path: str) -> str:
    """RFC 3986 section 5.2.4."""
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            if len(kept) > 1:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/".join(kept)


def _is_tracking(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    name, value = name.lower(), value.lower()
    return (
        name in _TRACKING_PARAMETERS
        or name.startswith(_TRACKING_PREFIXES)
        or (name in _FEED_MARKED_PARAMETERS and value in _FEED_MARKERS)
        or value in _AMP_PARAMETERS.get(name, ())
    )


def _without_amp(path: str) -> str:
    """`path` of the article that an AMP page stands for: only where what is left still looks like an article's."""
    segments = path.split("/")
    tail = [segments.pop()] if len(segments) > 1 and segments[-1] == "" else []
    while len(segments) > 1 and segments[-1] == "amp" and _ARTICLE_SEGMENT.search(segments[-2]):
        segments.pop()
    for ending in (".html", ".htm"):
        stem = segments[-1].removesuffix(".amp" + ending)
        if stem != segments[-1] and not stem.endswith(".amp"):
            segments[-1] = stem + ending
    return "/".join(segments + tail)
