"""What an answer's status, headers and first bytes say about it. Pure; what the page says is `extract`'s to judge."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from http import HTTPStatus

from alliancewatch.dates import parse_date
from alliancewatch.model import FetchOutcome

REDIRECTS = frozenset({301, 302, 303, 307, 308})
_RETRY_AFTER_MAX_S = timedelta(days=7).total_seconds()

_CHALLENGE_HEADERS = (
    ("cf-mitigated", "challenge", "Cloudflare"),
    ("x-amzn-waf-action", "", "AWS WAF"),
    ("x-vercel-mitigated", "challenge", "Vercel"),
    ("x-datadome", "protected", "DataDome"),
    ("x-dd-b", "", "DataDome"),
    ("x-sucuri-block", "", "Sucuri"),
)
"""(header, what its value holds, whose challenge)."""
_CHALLENGE_MARKS = (
    (b"/cdn-cgi/challenge-platform/", "Cloudflare"),
    (b"cf-browser-verification", "Cloudflare"),
    (b"_cf_chl_opt", "Cloudflare"),
    (b"captcha-delivery.com", "DataDome"),
    (b"_Incapsula_Resource", "Imperva"),
    (b"px-captcha", "PerimeterX"),
    (b"awswaf.com", "AWS WAF"),
    (b"sucuri_cloudproxy_js", "Sucuri"),
    (b"/_sec/cp_challenge/", "Akamai"),
    (b"g-recaptcha", "reCAPTCHA"),
    (b"h-captcha", "hCaptcha"),
)
CHALLENGE_STATUSES = frozenset({202, 401, 403, 405, 429, 503})
"""Statuses that bot challenges are served under."""

_MAGIC = (
    (b"%PDF-", "a PDF"),
    (b"\x89PNG\r\n", "a PNG image"),
    (b"GIF8", "a GIF image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"RIFF", "a media file"),
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "a zip archive"),
    (b"\x1f\x8b", "gzip data"),
    (b"BZh", "bzip2 data"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a", "a RAR archive"),
    (b"\xd0\xcf\x11\xe0", "an Office file"),
    (b"\x7fELF", "a program"),
    (b"OggS", "a media file"),
    (b"ID3", "a media file"),
    (b"\x00\x00\x01\x00", "an icon"),
    (b"wOF", "a font"),
    (b"SQLite format 3\x00", "a database"),
)
_MEDIA = ("image/", "audio/", "video/", "font/", "model/")
_MEDIA_TYPES = frozenset({"application/pdf", "application/zip", "application/msword", "application/wasm"})
_JSON = re.compile(rb"\s*(?:\{\s*[\"}]|\[\s*[\[{\"\]])")
_BINARY_CONTROL = bytes(sorted({*range(0x09), 0x0B, *range(0x0E, 0x1B), *range(0x1C, 0x20)}))
"""Bytes the WHATWG sniffing standard calls binary; ISO-2022-JP needs the escape that is missing here."""


def judge_status(status: int, *, validated: bool) -> tuple[FetchOutcome, str] | None:
    """Outcome and reason of an answer that is not a page to be read; None for one that is.

    `validated` tells that the request carried validators, without which a 304 means nothing.
    """
    name = _status_name(status)
    match status:
        case 200 | 203:
            return None
        case 304 if validated:
            return FetchOutcome.NOT_MODIFIED, "unchanged since the last fetch"
        case 204 | 205:
            return FetchOutcome.REJECT, f"empty answer: {name}"
        case 404 | 410:
            return FetchOutcome.GONE, f"gone: {name}"
        case 408 | 421 | 425 | 429:
            return FetchOutcome.RETRY, f"try later: {name}"
        case 401 | 402 | 403 | 407 | 451:
            return FetchOutcome.REJECT, f"refused by the site: {name}"
    if 500 <= status <= 599:
        return FetchOutcome.RETRY, f"server error: {name}"
    return FetchOutcome.REJECT, f"unexpected status: {name}"


def challenge_of(headers: Mapping[str, str], body_start: bytes) -> str | None:
    """Whose bot challenge an answer with one of `CHALLENGE_STATUSES` is, if it is one. Header names in lower case."""
    for header, mark, whose in _CHALLENGE_HEADERS:
        if header in headers and mark in headers[header].lower():
            return whose
    return next((whose for mark, whose in _CHALLENGE_MARKS if mark in body_start), None)


def judge_media_type(media_type: str | None) -> str | None:
    """Reason to refuse an answer for its declared type, before its body is read."""
    if media_type and (media_type.startswith(_MEDIA) or media_type in _MEDIA_TYPES) and not media_type.endswith("+xml"):
        return f"not a page: {media_type}"
    return None


def judge_body(body: bytes, *, feed: bool, charset: str | None) -> str | None:
    """Reason to refuse a body for its first bytes, whatever type it was declared to be.

    A feed may be JSON or a gzip file (`sitemap.xml.gz`).
    """
    start = body[:1024].lstrip()
    if not start and not body.strip():
        return "empty answer: nothing in the body"
    for magic, what in _MAGIC:
        if start.startswith(magic) and not (feed and what == "gzip data"):
            return f"not a page: {what}"
    if start[4:8] == b"ftyp":
        return "not a page: a media file"
    if feed:
        return None
    if _JSON.match(start):
        return "not a page: JSON"
    is_wide = (charset or "").lower().startswith(("utf-16", "utf-32")) or b"<" in (start[:1], start[1:2], start[3:4])
    if not is_wide and not start.startswith((b"\xff\xfe", b"\xfe\xff")):
        sample = body[:4096]
        if len(sample) - len(sample.translate(None, _BINARY_CONTROL)) > max(8, len(sample) // 20):
            return "not a page: binary data"
    return None


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """Seconds that a Retry-After header asks to wait, from 0 to seven days; None when it says nothing readable."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:12]) if len(text) < 12 else _RETRY_AFTER_MAX_S, _RETRY_AFTER_MAX_S)
    if not text[:1].isalpha():
        return None
    instant = parse_date(text, "UTC")
    return None if instant is None else min(max((instant - now).total_seconds(), 0.0), _RETRY_AFTER_MAX_S)


def _status_name(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
