"""Takes a body in as it arrives, unpacked, and stops where it grows beyond all measure. Pure."""

import zlib
from collections.abc import Iterable

from ops_pipeline.domain.errors import OpsError

_GZIP = zlib.MAX_WBITS | 16


class BodyError(OpsError):
    """A body beyond the cap, or one that does not unpack: it is not read on."""


def unpacked(parts: Iterable[bytes], *, encoding: str | None, most: int) -> bytes:
    """Give the whole body, plain or gzip; BodyError where it exceeds `most` bytes or is damaged."""
    if encoding in (None, "", "identity"):
        return _capped(parts, most)
    if encoding != "gzip":
        raise BodyError(f"expected a plain or gzip body, was {encoding}")
    reader = zlib.decompressobj(_GZIP)
    body = bytearray()
    try:
        for part in parts:
            body += reader.decompress(part, most + 1 - len(body))
            if len(body) > most:
                raise BodyError(f"expected at most {most} bytes, found more")
    except zlib.error as error:
        raise BodyError(f"expected a gzip body, {error}") from error
    if not reader.eof:
        raise BodyError(f"expected a whole gzip body, was cut off after {len(body)} bytes")
    return bytes(body)


def _capped(parts: Iterable[bytes], most: int) -> bytes:
    found = list[bytes]()
    size = 0
    for part in parts:
        size += len(part)
        if size > most:
            raise BodyError(f"expected at most {most} bytes, found more")
        found.append(part)
    return b"".join(found)
