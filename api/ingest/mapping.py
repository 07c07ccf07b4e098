"""A map from foreign JSON objects to our fields: the TOML file of `--map`. docs/ingest.md shows the whole of it."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from stonelog.filestore import FIELDS, InvalidSetting, StonelogError, shorten

from . import values
from .paths import Path as JsonPath
from .paths import found, nested, parse_path, without
from .surplus import add

__all__ = ["Map", "load_map"]

_GIVEN_BY_STORE: Final = frozenset({"seq", "id", "redacted", "synced", "hash"})
_EPOCHS: Final = {"unix": 1, "unix_ms": 1_000, "unix_us": 1_000_000, "unix_ns": 1_000_000_000}


def _target(key: str) -> str:
    if key.startswith("metadata.") and parse_path(key):
        return key
    if key in _GIVEN_BY_STORE:
        raise ValueError("it is given by the store; leave it out")
    if key not in FIELDS:
        near = difflib.get_close_matches(key, FIELDS, 1)
        raise ValueError("there is no such field" + (f"; did you mean {near[0]}?" if near else " (or metadata.NAME)"))
    return key


def _paths(given: object) -> object:
    paths = given if isinstance(given, list) else [given]
    texts = [path for path in paths if isinstance(path, str)]
    if not texts or len(texts) != len(paths):
        raise ValueError("expected a path as text, or a list of such paths")
    return tuple(parse_path(path) for path in texts)


def _time_format(given: str) -> str:
    if given in _EPOCHS or given == "rfc3339":
        return given
    if "%" not in given:
        raise ValueError('expected "rfc3339", "unix", "unix_ms", "unix_us", "unix_ns" or a pattern such as "%d/%b/%Y"')
    try:
        sample = datetime(2024, 2, 28, 13, 14, 15).astimezone()
        parsed = datetime.strptime(sample.strftime(given), given)  # noqa: DTZ007 (only its year is looked at)
    except (ValueError, KeyError) as error:
        raise ValueError(f"not a pattern of strptime: {error}") from None
    if parsed.year != 2024:
        raise ValueError("a pattern without the year (%Y) says no time")
    return given


def _zone(given: str) -> str:
    try:
        ZoneInfo(given)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("expected an IANA name of a time zone, such as UTC or Europe/Berlin") from None
    return given


Target = Annotated[str, AfterValidator(_target)]
Paths = Annotated[tuple[JsonPath, ...], BeforeValidator(_paths)]
_STRICT = ConfigDict(extra="forbid", frozen=True)


class _Time(BaseModel):
    model_config = _STRICT
    format: Annotated[str, AfterValidator(_time_format)] = "rfc3339"
    zone: Annotated[str, AfterValidator(_zone)] = "UTC"


class _Rest(BaseModel):
    model_config = _STRICT
    into: Literal["metadata", "drop"] = "metadata"


class Map(BaseModel):
    """A checked map; `fields_of` applies it."""

    model_config = _STRICT
    fields: dict[Target, Paths] = Field(default_factory=dict)
    constants: dict[Target, Any] = Field(default_factory=dict)
    values: dict[Target, dict[str, Any]] = Field(default_factory=dict)
    time: _Time = Field(default_factory=_Time)
    rest: _Rest = Field(default_factory=_Rest)

    @model_validator(mode="after")
    def _whole(self) -> Map:
        for required in ("category", "action"):
            if required not in self.fields and required not in self.constants:
                raise ValueError(f"{required}: neither [fields] nor [constants] gives it, and every event needs it")
        for key in self.values:
            if key not in self.fields:
                raise ValueError(f"values.{key}: [fields] does not give {key}, so there is nothing to translate")
        return self

    def fields_of(self, record: dict[str, Any]) -> dict[str, Any]:
        """Our fields of a foreign object: the paths, constants where no path gave anything, then the rest."""
        fields: dict[str, Any] = {}
        metadata: dict[str, Any] = {}
        taken: list[JsonPath] = []
        for target, paths in self.fields.items():
            for path in paths:
                value = found(record, path)
                if value is not None:
                    taken.append(path)
                    self._put(fields, metadata, target, self._translated(target, value))
                    break
        for target, constant in self.constants.items():
            if target not in fields and (not target.startswith("metadata.") or _absent(metadata, target)):
                self._put(fields, metadata, target, constant)
        if self.rest.into == "metadata":
            _add_rest(metadata, without(record, taken))
        if metadata:
            fields["metadata"] = metadata
        return fields

    def _translated(self, target: str, value: Any) -> Any:
        table = self.values.get(target)
        if table is None:
            return value
        key = values.text(value) or ""
        return table[key] if key in table else table.get("*", value)

    def _put(self, fields: dict[str, Any], metadata: dict[str, Any], target: str, value: Any) -> None:
        if target == "metadata":
            _add_rest(metadata, value if isinstance(value, dict) else {"value": value})
        elif target.startswith("metadata."):
            nested(metadata, parse_path(target)[1:], value)
        elif target == "time":
            fields["time"] = self._moment(value)
        else:
            coercion: Callable[[Any], Any] = _COERCIONS.get(target, values.text)
            fields[target] = coercion(value)

    def _moment(self, value: Any) -> Any:
        zone = ZoneInfo(self.time.zone)
        if isinstance(value, datetime):  # a TOML constant
            return value if value.tzinfo else value.replace(tzinfo=zone)
        if self.time.format == "rfc3339":
            moment = values.iso_time(value, zone)
        elif self.time.format in _EPOCHS:
            moment = values.epoch_time(value, _EPOCHS[self.time.format])
        else:
            moment = _by_pattern(value, self.time.format, zone)
        if moment is None:
            raise StonelogError(f"time: {shorten(value)!r} is not of the map's time format, {self.time.format!r}")
        return moment


def load_map(path: Path) -> Map:
    """The map in a TOML file; raises InvalidSetting with one line that names the file and the key."""
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidSetting(f"{path}: the map cannot be read: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSetting(f"{path}: the map is not TOML: {error}") from None
    try:
        return Map.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"] if part != "[key]")
        reason = str(first["ctx"]["error"]) if first["type"] == "value_error" else first["msg"]
        if first["type"] == "extra_forbidden":
            reason = "there is no such key; known are fields, constants, values, time (format, zone), rest (into)"
        raise InvalidSetting(f"{path}: {f'{key}: ' if key else ''}{reason}") from None


def _by_pattern(value: Any, pattern: str, zone: ZoneInfo) -> datetime | None:
    try:
        moment = datetime.strptime(values.text(value) or "", pattern)  # noqa: DTZ007 (the zone follows)
        return moment if moment.tzinfo else moment.replace(tzinfo=zone)
    except ValueError:
        return None


def _absent(metadata: dict[str, Any], target: str) -> bool:
    return found(metadata, parse_path(target)[1:]) is None


def _add_rest(metadata: dict[str, Any], rest: dict[str, Any]) -> None:
    """What no path took is in the metadata; where a name is taken, under the name with `_` behind it."""
    for key, value in rest.items():
        there = metadata.get(key)
        if isinstance(there, dict) and isinstance(value, dict):
            _add_rest(there, value)
            continue
        add(metadata, key, value)


def _or_given(coercion: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """What cannot be taken passes as it is, so that the check of the event names the field and what it allows."""

    def coerced(value: Any) -> Any:
        made = coercion(value)
        return value if made is None else made

    return coerced


def _texts(value: Any) -> Any:
    return [values.text(item) for item in value] if isinstance(value, list) else [values.text(value)]


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else None


def _outcome(value: Any) -> Any:
    said = "true" if value is True else "false" if value is False else _lower(value)
    meanings = {"true": "success", "ok": "success", "succeeded": "success", "passed": "success"}
    meanings |= {"false": "failure", "failed": "failure", "error": "failure", "denied": "failure"}
    return meanings.get(str(said), said)


_COERCIONS: Final[dict[str, Callable[[Any], Any]]] = {
    "level": _or_given(values.level),
    "category": _or_given(lambda value: values.name(value, dots=False)),
    "action": _or_given(values.name),
    "outcome": _or_given(_outcome),
    **dict.fromkeys(("asn", "risk_score", "status_code"), _or_given(values.whole)),
    "response_time_ms": _or_given(values.number),
    **dict.fromkeys(("tags", "risk_reasons"), _texts),
    **dict.fromkeys(("trace_id", "span_id"), _or_given(_lower)),
}
