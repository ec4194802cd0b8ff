"""Content codings undone within bounds: gzip, deflate, br and zstd (RFC 9110 section 8.4.1, RFC 9659); charsets read.

A few kilobytes on the wire can be gigabytes inside, and a body that was cut off can look complete; so every coding
is undone piece by piece, stops at a limit, and must reach its own end mark.
"""

from __future__ import annotations

import re
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping

import brotli

from alliancewatch.errors import UnreadableError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ACCEPT_ENCODING = "gzip, deflate, br, zstd"
_PIECE = 64 * 1024
_ZSTD_WINDOW_LOG = 23
"""8 MiB, the largest window RFC 9659 lets a server use."""


_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE | re.ASCII)


def charset_of(content_type: str) -> str | None:
    """The charset a Content-Type header states, as written; None when it states none."""
    stated = _CHARSET.search(content_type)
    return stated[1] if stated else None


class TooLargeError(UnreadableError):
    """A body that is larger than allowed, on the wire or once it is undone."""


def decode_body(chunks: Iterable[bytes], coding: str, max_bytes: int, *, truncate: bool = False) -> bytes:
    """The body in `chunks` with `coding` undone: `""` for none, or one of `ACCEPT_ENCODING`.

    At most `max_bytes` are ever held: more raises `TooLargeError`, or with `truncate` ends the body there. Raises
    `UnreadableError` for a coding that is not known, damaged or cut off. What follows the end mark is ignored.
    """
    decoder = _DECODERS.get(coding)
    if decoder is None:
        raise UnreadableError(f"content coding: found {coding!r}, expected one of {ACCEPT_ENCODING}")
    body = bytearray()
    try:
        for piece in decoder(iter(chunks)):
            body += piece
            if len(body) > max_bytes:
                if truncate:
                    return bytes(body[:max_bytes])
                raise TooLargeError(f"body too large: more than {max_bytes:,} bytes")
    except (zlib.error, brotli.error, zstd.ZstdError) as error:
        raise UnreadableError(f"body is no intact {coding}: {error}") from None
    return bytes(body)


def gunzip(data: bytes, max_bytes: int, *, truncate: bool = False) -> bytes:
    """`data` without its gzip wrapping, within the same bounds as `decode_body`."""
    return decode_body([data], "gzip", max_bytes, truncate=truncate)


def _plain(chunks: Iterator[bytes]) -> Iterator[bytes]:
    return chunks


def _gzip(chunks: Iterator[bytes]) -> Iterator[bytes]:
    return _zlib(chunks, zlib.MAX_WBITS | 16)


def _deflate(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """`deflate` is zlib by the standard and bare deflate by the habit of some servers."""
    first = next(chunks, b"")
    if len(first) == 1:
        first += next(chunks, b"")
    is_zlib = len(first) > 1 and first[0] & 0x0F == 8 and int.from_bytes(first[:2], "big") % 31 == 0
    return _zlib(_chain(first, chunks), zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _zlib(chunks: Iterator[bytes], window_bits: int) -> Iterator[bytes]:
    decoder = zlib.decompressobj(window_bits)
    for chunk in chunks:
        rest = chunk
        while rest:
            if decoder.eof:
                if not rest.startswith(b"\x1f\x8b"):
                    return
                decoder = zlib.decompressobj(window_bits)
            yield decoder.decompress(rest, _PIECE)
            rest = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
    while not decoder.eof:
        piece = decoder.decompress(b"", _PIECE)
        if not piece and not decoder.eof:
            raise UnreadableError("body was cut off before the end of its compression")
        yield piece


def _brotli(chunks: Iterator[bytes]) -> Iterator[bytes]:
    decoder = brotli.Decompressor()
    for chunk in chunks:
        yield decoder.process(chunk, output_buffer_limit=_PIECE)
        while not decoder.is_finished() and not decoder.can_accept_more_data():
            yield decoder.process(b"", output_buffer_limit=_PIECE)
        if decoder.is_finished():
            return
    raise UnreadableError("body was cut off before the end of its compression")


def _zstd(chunks: Iterator[bytes]) -> Iterator[bytes]:
    options = {int(zstd.DecompressionParameter.window_log_max): _ZSTD_WINDOW_LOG}
    decoder = zstd.ZstdDecompressor(options=options)
    for chunk in chunks:
        rest = chunk
        while rest or not (decoder.eof or decoder.needs_input):
            if decoder.eof:
                decoder = zstd.ZstdDecompressor(options=options)
            yield decoder.decompress(rest, _PIECE)
            rest = decoder.unused_data if decoder.eof else b""
    if not decoder.eof:
        raise UnreadableError("body was cut off before the end of its compression")


_DECODERS: Mapping[str, Callable[[Iterator[bytes]], Iterator[bytes]]] = {
    "": _plain,
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}
