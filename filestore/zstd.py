"""The zstd codec, loaded by those who use it: in the standard library from Python 3.14 on, a package before."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING or sys.version_info < (3, 14):
    from backports import zstd
else:
    from compression import zstd

__all__ = ["Unpacker", "compress"]

_WINDOW: Final = {int(zstd.DecompressionParameter.window_log_max): 23}
"""8 MiB, what every decoder must offer (RFC 8878, 3.1.1.1.2): a frame that wants more memory is not one of ours."""


def compress(data: bytes, level: int) -> bytes:
    """One frame with a checksum."""
    options = {
        int(zstd.CompressionParameter.compression_level): level,
        int(zstd.CompressionParameter.checksum_flag): 1,
    }
    return zstd.compress(data, options=options)


class Unpacker:
    """Unpacks one frame, as `zlib.decompressobj` does a gzip member; raises ValueError for what is damaged."""

    def __init__(self) -> None:
        self._frame = zstd.ZstdDecompressor(options=_WINDOW)

    @property
    def eof(self) -> bool:
        return self._frame.eof

    @property
    def unused_data(self) -> bytes:
        return self._frame.unused_data

    def decompress(self, data: bytes, most: int) -> bytes:
        try:
            return self._frame.decompress(data, most)
        except zstd.ZstdError as error:
            raise ValueError(str(error)) from None
