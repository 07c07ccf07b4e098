"""Settings: `stonelog.toml` in the store's directory, one table a section.

STONELOG_SECTION_KEY in the environment wins.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from .errors import InvalidSetting, shorten
from .layout import Layout

__all__ = ["SECTIONS", "Durability", "StoreSettings", "TextList", "TextTable", "load_section", "setting_sources"]

Durability = Literal["fsync", "os", "none"]

_FILE: Final = "stonelog.toml"
SECTIONS: Final = ("store", "seal", "retention", "redaction", "risk", "place", "jobs", "detect", "http", "capture")
"""The tables that the file may have, those of the packages above this one included: any other is a misspelt one."""


def _as_list(value: object) -> object:
    """A text from the environment, `a, b` or `["a", "b"]`, as a list."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)  # its ValueError becomes the message
    return [part.strip() for part in value.split(",") if part.strip()]


TextList = Annotated[tuple[str, ...], BeforeValidator(_as_list)]
"""Texts: a list in the file; in the environment a JSON list, or separated by commas."""


def _as_table(value: object) -> object:
    """A text from the environment, `{"a": "b"}`, as a table."""
    return json.loads(value or "{}") if isinstance(value, str) else value


TextTable = Annotated[dict[str, str], BeforeValidator(_as_table)]
"""Texts by name: a table in the file; in the environment a JSON object."""


class StoreSettings(BaseModel):
    """The section `[store]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    durability: Durability = "fsync"
    """When `append` returns: `fsync` on stable storage; `os` handed to the system (synced at roll and close);
    `none` the same, and never synced by stonelog."""
    segment_bytes: Annotated[int, Field(ge=1)] = 256 * 1024 * 1024
    """A day's segment is closed and the next begun when it has reached this many bytes."""
    emit_events: Annotated[int, Field(ge=1)] = 10_000
    """How many events given to `emit` may wait to be written."""
    emit_bytes: Annotated[int, Field(ge=1)] = 32 * 1024 * 1024
    """How many bytes they may have together."""
    emit_overflow: Literal["drop", "block"] = "drop"
    """What `emit` does when there is no room: `drop` the event and count it, or `block` until there is."""
    reserve_bytes: Annotated[int, Field(ge=0)] = 4 * 1024 * 1024
    """Space set aside (DIR/reserve) so that retention can record what it removes on a full disk. With less than that
    free, retention runs early and `emit` sheds the lowest levels first; at most 1/32 of the file system; 0: none."""
    lock_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 10.0
    """How long an append waits for another process that holds the store's lock before StoreLocked."""


Section = TypeVar("Section", bound=BaseModel)


def load_section(model: type[Section], directory: Path, name: str) -> Section:
    """The section `[name]` of DIR/stonelog.toml with the environment on top, checked; defaults where neither says.

    Raises InvalidSetting that names the key and where it came from, or a table that no part of stonelog knows.
    """
    given, sources = _given(directory, name)
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = str(first["loc"][0]) if first["loc"] else name
        what = str(first["ctx"]["error"]) if first["type"] == "value_error" else first["msg"]
        if first["type"] == "extra_forbidden":
            known = ", ".join(model.model_fields)
            what = f"there is no such setting; known are {known}{_meant(key, model.model_fields)}"
        where = sources.get(key, key)
        where = f"{Layout(directory).settings}: [{name}] {key}" if where == _FILE else where
        raise InvalidSetting(f"{where} = {shorten(first.get('input'))}: {what}") from None


def setting_sources(directory: Path, name: str) -> dict[str, str]:
    """By key of the section, what sets it: `stonelog.toml`, or a variable. A key that is absent has its default.

    Raises InvalidSetting if the file cannot be read; values are not checked.
    """
    return _given(directory, name)[1]


def _given(directory: Path, name: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The values of the section as they are given, and their sources."""
    path = Layout(directory).settings
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        tables = {}
    except OSError as error:
        raise InvalidSetting(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSetting(f"{path}: cannot be read as TOML: {error}") from None
    for other in tables:
        if other not in SECTIONS:
            raise InvalidSetting(f"{path}: {_unknown(other, tables[other])}")
    table = tables.get(name, {})
    if not isinstance(table, dict):
        raise InvalidSetting(f"{path}: {name}: expected a table [{name}], found {shorten(table)}")
    given: dict[str, Any] = dict(table)
    sources = dict.fromkeys(given, _FILE)
    prefix = f"STONELOG_{name.upper()}_"
    for variable in (each for each in os.environ if each.startswith(prefix)):
        key = variable.removeprefix(prefix).lower()
        given[key], sources[key] = os.environ[variable], variable
    return given, sources


def _unknown(name: str, given: object) -> str:
    """What to say of a table, or of a key that stands in none, that is not known."""
    known = ", ".join(f"[{each}]" for each in SECTIONS)
    if not isinstance(given, dict):
        return f"{shorten(name)} = {shorten(given)}: a setting must stand in its table; known are {known}"
    return f"[{shorten(name)}]: there is no such table; known are {known}{_meant(name, SECTIONS, '[{}]')}"


def _meant(name: str, known: Iterable[str], form: str = "{}") -> str:
    """The known name that is nearest to this one, as a question; nothing if none is near."""
    import difflib  # for the message alone

    near = difflib.get_close_matches(name.lower(), known, 1)
    return f"; did you mean {form.format(near[0])}?" if near else ""
