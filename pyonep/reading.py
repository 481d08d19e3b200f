"""The body of an answer: decoded, whole, and never more than there is room for."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import Any

import requests.exceptions
import urllib3.exceptions

from .deadline import Deadline

__all__ = ["ANSWER_LIMIT", "AnswerTooLong", "decoded", "number", "text_or_bytes", "whole"]

# Bytes of an answer that is kept in memory, after decoding: 256 pictures of 1 MiB. What is
# longer is a mistake or an attack: 583 KB of gzip can be 600 MB of nothing. An RPC answer,
# which becomes many objects, has a limit of its own.
ANSWER_LIMIT = 256 * 1024 * 1024
_PIECE = 64 * 1024
_DIGITS = re.compile(r"[0-9]{1,18}")
_GZIP = b"\x1f\x8b"
_CODINGS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


class AnswerTooLong(requests.exceptions.RequestException):
    """An answer is longer than the client keeps in memory."""


def number(text: str | None) -> int | None:
    """The number that a header is, if it is one."""
    return int(text) if text is not None and _DIGITS.fullmatch(text.strip()) else None


def text_or_bytes(content: bytes) -> str | bytes:
    """The text when the bytes are UTF-8, else the bytes."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content


def whole(raw: Any, limit: int | None, deadline: Deadline | None = None) -> bytes:
    """Read the body of an answer, and refuse one that is shorter than announced.

    Args:
        raw: The urllib3 answer.
        limit: Bytes it may have after decoding; None for no limit.
        deadline: Until when it has to be unpacked; the connection knows how long reading may take.

    Raises:
        AnswerTooLong: It has more, or there is no memory. Not more than that was read.
        urllib3.exceptions.HTTPError, OSError: The connection broke, or it makes no sense.
    """
    try:
        return _whole(raw, limit, deadline)
    except MemoryError:
        dispose(raw)
        raise AnswerTooLong("there is no memory for the answer") from None
    except BaseException:
        dispose(raw)
        raise


def dispose(raw: Any) -> None:
    """Give up what is unread of an answer, and its connection."""
    raw.close()
    raw.release_conn()


def _whole(raw: Any, limit: int | None, deadline: Deadline | None) -> bytes:
    announced = number(raw.headers.get("Content-Length"))
    if limit is not None and announced is not None and announced > limit:
        raise _too_long(limit)
    if announced is not None and _coding(raw) not in _CODINGS:
        content: bytes = raw.read(decode_content=False)
    else:
        content = _collected(raw, limit, deadline)
    if announced is not None and raw.tell() < announced:
        raise urllib3.exceptions.ProtocolError(
            f"answer cut off: {raw.tell()} of {announced} bytes arrived"
        )
    if not content and announced is None and _is_cut_in_its_head(raw):
        raise urllib3.exceptions.ProtocolError("answer cut off within its headers")
    return content


def _is_cut_in_its_head(raw: Any) -> bool:
    """Whether an answer without a body should have one, or say that it has none."""
    return raw.status in (200, 206) and raw.headers.get("Transfer-Encoding") is None


def _collected(raw: Any, limit: int | None, deadline: Deadline | None) -> bytes:
    pieces, size = [], 0
    for piece in decoded(raw, _PIECE):
        if deadline is not None:
            deadline.next()
        size += len(piece)
        if limit is not None and size > limit:
            raise _too_long(limit)
        pieces.append(piece)
    return b"".join(pieces)


def _too_long(limit: int) -> AnswerTooLong:
    return AnswerTooLong(f"the answer is longer than {limit:,} bytes")


def decoded(raw: Any, size: int) -> Iterator[bytes]:
    """The body of an answer in pieces of at most so many bytes, however well it is packed."""
    coding = _coding(raw)
    pieces = _raw_pieces(raw, size)
    if coding not in _CODINGS:  # nothing else was asked for; some servers put nonsense there
        return pieces
    return _unpacked(pieces, _CODINGS[coding], size)


def _coding(raw: Any) -> str:
    if "Content-Encoding" not in raw.headers:
        return ""
    return str(raw.headers["Content-Encoding"] or "").strip().lower()


def _raw_pieces(raw: Any, size: int) -> Iterator[bytes]:
    while True:
        piece: bytes = raw.read(size, decode_content=False)
        if not piece:
            return
        yield piece


def _unpacked(pieces: Iterator[bytes], bits: int, size: int) -> Iterator[bytes]:
    unpack: Any = None
    try:
        for data in pieces:
            while data:
                if unpack is None or (unpack.eof and data.startswith(_GZIP)):
                    unpack = zlib.decompressobj(_bits(bits, data))
                elif unpack.eof:
                    break  # padding behind the end
                if piece := unpack.decompress(data, size):
                    yield piece
                data = unpack.unused_data if unpack.eof else unpack.unconsumed_tail
        if unpack is not None and (piece := unpack.flush()):
            yield piece
    except zlib.error as error:
        raise urllib3.exceptions.DecodeError(f"the answer cannot be unpacked: {error}") from error
    if unpack is not None and not unpack.eof:
        raise urllib3.exceptions.DecodeError("the packed answer is cut off")


def _bits(bits: int, start: bytes) -> int:
    """What is called deflate has a header, as it should, or has none."""
    if bits == zlib.MAX_WBITS and start[0] & 0x0F != 8:
        return -bits
    return bits
