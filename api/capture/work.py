"""One piece of work that is audited: its event, and the values that are made of a call's arguments and result."""

from __future__ import annotations

import inspect
import string
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from .crash import error_fields
from .failure import STACK_BYTES, type_name
from .given import completed, spread
from .offer import offer
from .plain import plain

if TYPE_CHECKING:
    from stonelog.filestore import Store

__all__ = ["AuditedEvent", "Call", "Work"]

_RESULT: Final = "result"
"""The name under which what a function returned is given to callables and templates."""
_GRAVE: Final = ("error", "critical")


class AuditedEvent:
    """The event of a piece of work that is going on: what is set here stands on it when it is written."""

    def __init__(self, store: Store | None, action: str, given: Mapping[str, Any]) -> None:
        self._store = store
        self._action = action
        self._given = dict(given)
        self._metadata: dict[str, Any] = {}
        self._started = time.perf_counter()

    def set(self, **fields: object) -> None:
        """These fields have these values, over those given before; what is no field is set in `metadata`."""
        for name, value in fields.items():
            self[name] = value

    def __setitem__(self, name: str, value: object) -> None:
        """The field, or the place in the metadata (`metadata.rows`, `metadata.file.name`), has this value."""
        first, *rest = str(name).split(".")
        if first != "metadata" or not rest:
            self._given[str(name)] = value
            return
        place = self._metadata
        for part in rest[:-1]:
            inner = place.get(part)
            if not isinstance(inner, dict):
                inner = place[part] = {}
            place = inner
        place[rest[-1]] = value

    def end(self, error: BaseException | None = None) -> None:
        """The event will be written soon, with its duration and how the work ended. Never raises."""
        try:
            offer(self._store, self._event(error))
        except Exception:  # noqa: BLE001 (a value whose own methods fail)
            offer(self._store, completed({"outcome": "unknown"}, {}, "data_management", self._action))

    def _event(self, error: BaseException | None) -> dict[str, Any]:
        fields: dict[str, Any] = {"outcome": "success"}
        fields["response_time_ms"] = round((time.perf_counter() - self._started) * 1000, 3)
        metadata: dict[str, Any] = {}
        if isinstance(error, Exception):
            fields |= {"outcome": "failure", "level": "error", **error_fields(error, STACK_BYTES)}
        elif error is not None:  # cancelled, closed, interrupted: how far it came nobody knows
            fields |= {"outcome": "unknown", "error_type": type_name(type(error))}
        given = dict(self._given)
        if isinstance(error, Exception):  # what was said of it before is no longer true
            given.pop("outcome", None)
            if given.get("level") not in _GRAVE:
                given.pop("level", None)
        spread(given, fields, metadata)
        metadata.update(self._metadata)
        return completed(fields, metadata, "data_management", self._action)


class Work:
    """A function with what its events are to say: values, and what makes values of its arguments."""

    def __init__(
        self, store: Store | None, action: str, fields: Mapping[str, Any], function: Callable[..., Any]
    ) -> None:
        self.store = store
        self.action = action
        self.fixed: dict[str, Any] = {}
        self.made: list[tuple[str, _Maker]] = []
        for name, value in fields.items():
            maker = _maker(value)
            if maker is None:
                self.fixed[name] = value
            else:
                self.made.append((name, maker))
        try:
            self._signature: inspect.Signature | None = inspect.signature(function)
        except (TypeError, ValueError):  # some of those written in C
            self._signature = None

    def begin(self, args: tuple[Any, ...], keywords: Mapping[str, Any]) -> Call:
        """The work begins now; what is made of arguments is made before it can change them."""
        call = Call(AuditedEvent(self.store, self.action, self.fixed), self._arguments(args, keywords), self.made)
        call.make(after=False)
        return call

    def _arguments(self, args: tuple[Any, ...], keywords: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments by name, defaults included; those that do not fit are left to the function to refuse."""
        if self._signature is None or not self.made:
            return dict(keywords)
        try:
            call = self._signature.bind(*args, **keywords)
        except TypeError:
            return dict(keywords)
        call.apply_defaults()
        arguments = dict(call.arguments)
        for name, parameter in self._signature.parameters.items():
            if parameter.kind is parameter.VAR_KEYWORD:
                arguments |= arguments.pop(name)
        return arguments


class Call:
    """One call of an audited function."""

    def __init__(self, event: AuditedEvent, arguments: dict[str, Any], made: list[tuple[str, _Maker]]) -> None:
        self._event = event
        self._arguments = arguments
        self._made = made
        self._failed: dict[str, str] = {}
        self.result: Any = None
        """What the function gives."""

    def make(self, *, after: bool) -> None:
        """The values are set that are made before the work, or `after` it of its result too."""
        for name, maker in self._made:
            if maker.after is after:
                try:
                    self._event[name] = plain(maker.value(self._arguments))
                except Exception as error:  # noqa: BLE001 (the event must not be lost for it, nor the call)
                    self._failed[name] = str(plain(error))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """It gave `result`, or raised the error; the event will be written soon."""
        if error is None:
            self._arguments.setdefault(_RESULT, self.result)
            self.make(after=True)
        if self._failed:
            self._event["metadata.invalid"] = self._failed
        self._event.end(error)


class _Maker:
    """What makes a value of arguments: it is given those that it names."""

    def __init__(self, make: Callable[..., Any], names: frozenset[str], *, all_names: bool = False) -> None:
        self._make = make
        self._names = names
        self._all = all_names
        self.after = _RESULT in names

    def value(self, arguments: Mapping[str, Any]) -> Any:
        return self._make(**{name: each for name, each in arguments.items() if self._all or name in self._names})


def _maker(value: object) -> _Maker | None:
    """What makes the value, if it is a callable or a template; None if it is a value itself."""
    if isinstance(value, str):
        try:
            fields = [field for _, field, _, _ in string.Formatter().parse(value) if field is not None]
        except ValueError:  # braces that are no template
            return None
        names = frozenset(field.split(".")[0].split("[")[0] for field in fields)
        return _Maker(value.format, names) if names and all(map(str.isidentifier, names)) else None
    if not callable(value) or isinstance(value, type):
        return None
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return _Maker(value, frozenset())
    return _Maker(
        value,
        frozenset(each.name for each in parameters),
        all_names=any(each.kind is each.VAR_KEYWORD for each in parameters),
    )
