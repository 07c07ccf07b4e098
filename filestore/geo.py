"""Place: where an address is, by files of MaxMind's format that lie on this machine. Nobody is asked over a network.

A file is copied into memory when it is opened. Mapped from the disk it would end the process, by SIGBUS, if somebody
wrote over it in place.
"""

from __future__ import annotations

import errno
import io
import logging
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from . import files
from .errors import InvalidSetting
from .settings import TextList, load_section

if TYPE_CHECKING:
    from maxminddb import Reader

__all__ = ["Geo", "PlaceSettings"]

log = logging.getLogger("stonelog")

_CACHED: Final = 4096
_LOOK_SECONDS: Final = 1.0
_LONGEST_ADDRESS: Final = 64
_LONGEST_NAME: Final = 200
_ASN_DIGITS: Final = 10
_COUNTRY: Final = re.compile("[A-Z]{2}")
_TRIED: Final = [*(f"{first}.2.69.160" for first in range(1, 224, 4)), "2001:218::1", "2a02:cf40::1"]


class PlaceSettings(BaseModel):
    """The section `[place]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    databases: TextList = ()
    """Files of MaxMind's format (City, Country, ASN, ...), which tell `country`, `region`, `city` and `asn`; what the
    first does not know is taken from the next. A path that is not absolute begins at the store's directory."""
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z]{2,4})?$")] = "en"
    """The language of regions and cities; what has no name in it has its English one."""


class _Database(NamedTuple):
    """An open file, and what it was when it was opened."""

    path: Path
    state: tuple[int, ...] | None
    reader: Reader
    version: int


class Geo:
    """Looks addresses up. Any thread may call.

    The files are looked at once a second; one that was replaced is read by a thread of its own, and until it is, and if
    it cannot be, the one before is used.
    """

    def __init__(self, settings: PlaceSettings, directory: Path = Path()) -> None:
        """The databases are open. Raises InvalidSetting that names the one that is missing or damaged."""
        self._language = settings.language
        self._turn = threading.Lock()
        self._reading: threading.Thread | None = None
        self._due = time.monotonic() + _LOOK_SECONDS
        self._use([_opened(directory / path) for path in settings.databases])

    @classmethod
    def load(cls, directory: Path) -> Geo | None:
        """What the section `[place]` asks for; None if it names no database. Raises InvalidSetting."""
        settings = load_section(PlaceSettings, directory, "place")
        return cls(settings, directory) if settings.databases else None

    def __call__(self, address: str) -> dict[str, Any]:
        """Those of `country`, `region`, `city` and `asn` that are known. Never raises.

        Nothing is known of private, loopback and link-local addresses, and of what is no address.
        """
        if time.monotonic() >= self._due:
            self._look()
        return dict(self._places(address)) if len(address) <= _LONGEST_ADDRESS else {}

    def _use(self, databases: list[_Database]) -> None:
        self._databases = databases
        self._places = _lookup(databases, self._language)

    def _look(self) -> None:
        """A thread reads what was replaced, if anything was."""
        if not self._turn.acquire(blocking=False):
            return
        try:
            self._due = time.monotonic() + _LOOK_SECONDS
            busy = self._reading is not None and self._reading.is_alive()
            if busy or all(_state(database.path) == database.state for database in self._databases):
                return
            reading = threading.Thread(target=self._read_again, name="stonelog-place", daemon=True)
            reading.start()
            self._reading = reading
        except RuntimeError:  # no thread can be started, now or any more: the old files will do
            pass
        finally:
            self._turn.release()

    def _read_again(self) -> None:
        databases = []
        for database in self._databases:
            state = _state(database.path)
            if state != database.state:
                try:
                    database = _opened(database.path)
                except InvalidSetting as error:
                    log.warning("%s; the one before is used further", error)
                    database = database._replace(state=state)
            databases.append(database)
        self._use(databases)


def _state(path: Path) -> tuple[int, ...] | None:
    """What changes when the file is replaced or written; None if there is none."""
    try:
        there = path.stat()
    except (OSError, ValueError):
        return None
    return there.st_dev, there.st_ino, there.st_size, there.st_mtime_ns


def _opened(path: Path) -> _Database:
    """The database, after some addresses were looked up in it. Raises InvalidSetting."""
    what = f"[place] databases: {path}"
    state = _state(path)
    try:
        reader = _reader(_content(path))
        version = reader.metadata().ip_version
        for tried in map(ip_address, _TRIED):
            if tried.version <= version:
                reader.get(tried)
    except ImportError:
        raise InvalidSetting(f"{what}: maxminddb is not installed", hint="`pip install stonelog[geo]`") from None
    except OSError as error:
        raise InvalidSetting(f"{what}: cannot be read: {error.strerror or error}") from None
    except Exception as error:  # noqa: BLE001 (what damaged bytes lead to is not told anywhere)
        raise InvalidSetting(f"{what}: is damaged, or not of MaxMind's format: {error}") from None
    return _Database(path, state, reader, version)


def _content(path: Path) -> bytes:
    """The bytes of the file; a pipe or a device, which may have no end, is an error."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return path.read_bytes()


def _reader(data: bytes) -> Reader:
    """Reads these bytes; if it can be with the library's compiled part, which takes only files: one in memory."""
    import maxminddb

    try:
        fd = os.memfd_create("stonelog-place")
    except (AttributeError, OSError):  # not Linux, or not allowed
        return maxminddb.open_database(io.BytesIO(data), maxminddb.MODE_FD)
    try:
        files.write_all(fd, data)
        return maxminddb.open_database(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)


def _lookup(databases: list[_Database], language: str) -> Callable[[str], dict[str, Any]]:
    """What the databases know of an address, remembered for the addresses asked last."""
    told: set[Path] = set()

    @lru_cache(maxsize=_CACHED)
    def places(address: str) -> dict[str, Any]:
        parsed = _public(address)
        found: dict[str, Any] = {}
        for database in databases:
            if parsed is None or parsed.version > database.version:
                continue
            try:
                record = database.reader.get(parsed)
            except Exception as error:  # noqa: BLE001 (damaged in a part that opening did not try)
                if database.path not in told:
                    told.add(database.path)
                    log.warning("[place] databases: %s: is damaged: %s", database.path, error)
                continue
            if isinstance(record, dict):
                found = _fields(record, language) | found
        return found

    return places


def _public(address: str) -> IPv4Address | IPv6Address | None:
    """The address, if it can be that of a place; a mapped one as the IPv4 address in it."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return parsed if parsed.is_global and not parsed.is_multicast else None


def _fields(record: Mapping[str, Any], language: str) -> dict[str, Any]:
    """The event's fields in a record, as MaxMind arranges it, or flat as others do: `"country": "DE", "asn": "AS1"`."""
    country, city = record.get("country"), record.get("city")
    regions = record.get("subdivisions")
    region = regions[0] if isinstance(regions, list) and regions else record.get("region")
    code = country.get("iso_code") if isinstance(country, dict) else country or record.get("country_code")
    found = {
        "country": code if isinstance(code, str) and _COUNTRY.fullmatch(code) else None,
        "region": _name(region, language),
        "city": _name(city, language),
        "asn": _asn(record),
    }
    return {field: value for field, value in found.items() if value is not None}


def _name(place: object, language: str) -> str | None:
    """The name of a place in the language, in English, or the place itself if it is a name."""
    if isinstance(place, dict):
        names = place.get("names")
        place = (names.get(language) or names.get("en")) if isinstance(names, dict) else None
    return place if isinstance(place, str) and 0 < len(place) <= _LONGEST_NAME else None


def _asn(record: Mapping[str, Any]) -> int | None:
    """The number of the autonomous system, as a number of its own, among the traits, or as `AS64500`."""
    traits = record.get("traits")
    number = record.get("autonomous_system_number", record.get("asn"))
    if number is None and isinstance(traits, dict):
        number = traits.get("autonomous_system_number")
    if isinstance(number, str):
        digits = number.removeprefix("AS")
        number = int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= _ASN_DIGITS else None
    return number if type(number) is int and 0 <= number < 2**32 else None
