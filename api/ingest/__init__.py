"""Ingest: logs of other programs become events. docs/ingest.md describes each format and the map."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from stonelog.filestore import InvalidSetting, Quarantine, Store

from .auth import Auth
from .cloudtrail import CloudTrail
from .combined import Combined
from .format import Format, Options, Rejected
from .ndjson import Ndjson
from .nginx_json import NginxJson
from .otlp_json import OtlpJson
from .run import IngestResult, Progress, run
from .sources import Limits, SourceUnreadable
from .suricata import Suricata

__all__ = [
    "FORMATS",
    "Format",
    "IngestResult",
    "Limits",
    "Options",
    "Progress",
    "Rejected",
    "SourceUnreadable",
    "ingest",
]

FORMATS: Final[dict[str, type[Format[Any]]]] = {
    kind.name: kind for kind in (Ndjson, NginxJson, Combined, Auth, CloudTrail, Suricata, OtlpJson)
}
"""The formats by name; each has a `summary` of one line."""


def ingest(
    store: Store,
    sources: Sequence[str | Path],
    *,
    format: str = "ndjson",
    mapping: Path | None = None,
    year: int | None = None,
    progress: Progress | None = None,
    quarantine: Quarantine,
    limits: Limits | None = None,
) -> IngestResult:
    """Every event of the sources is in the store and durable, every line that could not be one is in quarantine.

    A source is a path or "-" for standard input, plain or compressed with gzip or zstd. Raises InvalidSetting for an
    unknown format or a faulty map and SourceUnreadable, both before anything is read; and what the store raises
    (DiskFull, StoreLocked, StoreReadOnly), with a note of how far it came.
    """
    kind = FORMATS.get(format)
    if kind is None:
        near = difflib.get_close_matches(format, FORMATS, 1)
        hint = f"did you mean {near[0]}?" if near else ""
        raise InvalidSetting(f"format: {format!r} is not known; known are {', '.join(FORMATS)}", hint=hint)
    if mapping is not None and kind is not Ndjson:
        raise InvalidSetting(f"map: the format {format} has fields of its own; a map goes with ndjson only")
    if year is not None and not 1970 <= year <= 9999:
        raise InvalidSetting(f"year: {year} is not a year from 1970 to 9999")
    return run(
        store,
        sources,
        kind,
        mapping=mapping,
        year=year,
        progress=progress,
        quarantine=quarantine,
        limits=limits or Limits(),
    )
