"""`append`: one event, durable when the receipt is printed."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal, NoReturn

import click

from .options import directory_option
from .program import DONE, Problem
from .terminal import put

__all__ = ["append", "fields_of"]

_NUMERIC: Final = frozenset({"asn", "status_code", "response_time_ms", "risk_score"})
_LISTS: Final = frozenset({"tags", "risk_reasons"})
_DOT: Final = re.compile(r"(?<!\\)\.")
STDIN_BYTES: Final = 1 << 20
"""More than any event can hold: reading stops here, and the store refuses what is too long."""


@click.command()
@click.argument("category")
@click.argument("action")
@click.argument("message", required=False)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Another field: username=ada, status_code=404, metadata.order.id=17. May be repeated.",
)
@click.option(
    "--durability",
    type=click.Choice(["fsync", "os", "none"]),
    help="What the receipt promises.  [default: that of the store's settings, else fsync]",
)
@directory_option
def append(
    directory: Path,
    category: str,
    action: str,
    message: str | None,
    settings: Sequence[str],
    durability: Literal["fsync", "os", "none"] | None,
) -> int:
    """Write one event and print its receipt.

    MESSAGE may be - for standard input. In metadata, numbers, true, false, null, objects, lists and quoted texts are
    taken as JSON, all else is text; a dot descends, "\\." is a dot in a key.
    """
    from stonelog.filestore import Event, Store

    fields = {"category": category, "action": action, **fields_of(settings)}
    if message is not None:
        if "message" in fields:
            raise click.UsageError("the message is given twice, as MESSAGE and by --set", click.get_current_context())
        fields["message"] = _standard_input() if message == "-" else message
    event = Event.check(fields)  # before opening, which makes the store
    with Store.open(directory, durability=durability) as store:
        receipt = store.append(event)
    put(json.dumps(receipt._asdict()))
    return DONE


def _standard_input() -> str:
    data = sys.stdin.buffer.read(STDIN_BYTES + 1)
    if len(data) > STDIN_BYTES:
        raise Problem(f"standard input: a message of more than {STDIN_BYTES:,} bytes; an event holds at most 65,535")
    try:
        return data.decode().removesuffix("\n")
    except UnicodeDecodeError as error:
        raise Problem(f"standard input: byte {error.start} is not UTF-8; convert the text first") from None


def fields_of(settings: Sequence[str]) -> dict[str, Any]:
    """The fields that `KEY=VALUE` texts describe; raises click.UsageError naming the text that cannot be taken."""
    fields: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            _refuse(setting, "KEY=VALUE is expected")
        head, *path = [part.replace("\\.", ".") for part in _DOT.split(key)]
        if head in _LISTS and not path:
            parsed = _json(value) if value.startswith("[") else value
            fields.setdefault(head, []).extend(parsed if isinstance(parsed, list) else [parsed])
        elif head == "metadata":
            _put_in(fields, [head, *path], _json(value), setting)
        elif path:
            _refuse(setting, "only metadata has fields within it")
        else:
            _put_in(fields, [head], _json(value) if head in _NUMERIC else value, setting)
    return fields


def _put_in(fields: dict[str, Any], path: Sequence[str], value: object, setting: str) -> None:
    """`value` stands at the path, where nothing stood before."""
    *parents, last = path
    for name in parents:
        fields = fields.setdefault(name, {})
        if not isinstance(fields, dict):
            _refuse(setting, f"{name} has a value already")
    if last in fields:
        _refuse(setting, f"{last} has a value already")
    fields[last] = value


def _json(text: str) -> object:
    """The JSON value that the text is, or the text itself if it is none."""
    try:
        return json.loads(text, parse_constant=_not_json, parse_float=_finite, object_pairs_hook=_distinct)
    except (ValueError, RecursionError):
        return text


def _not_json(text: str) -> NoReturn:
    raise ValueError(text)  # NaN and Infinity


def _finite(text: str) -> float:
    if math.isinf(number := float(text)):
        raise ValueError(text)
    return number


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(fields := dict(pairs)) < len(pairs):
        raise ValueError("a key twice")
    return fields


def _refuse(setting: str, reason: str) -> NoReturn:
    raise click.UsageError(f"--set {setting}: {reason}", click.get_current_context(silent=True))
