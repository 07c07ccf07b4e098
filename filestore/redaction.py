"""What is secret in an event is taken out before it is serialised; `redacted` says where.

A look at everything joined finds out in a few microseconds that there is nothing to do, which is so for most events.
Only otherwise is the event gone through: by key (`redaction_keys`, `redaction_tree`), in texts by the names that stand
before values (`redaction_texts`, `redaction_headers`), and by the shape of values (`redaction_patterns`,
`redaction_numbers`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, field_validator

from .errors import InvalidSetting
from .layout import Layout
from .names import FIELDS
from .redaction_keys import KeyNames
from .redaction_own import compiled
from .redaction_search import Gate, Search
from .redaction_tree import GONE, Marks, Walk, json_path
from .settings import TextList, TextTable, load_section

__all__ = ["RedactionSettings", "Redactor"]

_KEY_LEAST: Final = 32
_KEY_MOST: Final = 64 * 1024
_PATHS: Final = 100
"""So many paths are listed; of an event with more, the fields."""

_FIXED: Final = frozenset(
    {"seq", "id", "time", "level", "category", "action", "outcome", "ip_address", "country", "trace_id", "span_id"}
    | {"redacted", "synced", "hash"}
)
"""Fields whose form leaves no room for a secret."""


class RedactionSettings(BaseModel):
    """The section `[redaction]`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = True
    """Whether secrets are taken out of events before they are written."""
    mode: Literal["mask", "remove", "digest"] = "mask"
    """What stands in their place: `mask` the kind, as in `[redacted:password]`; `remove` nothing (`[]` in a text, a
    key goes); `digest` a keyed digest, as in `[sha:password:1f3a…]`, the same for the same value."""
    keys: TextList = ()
    """Further keys that name secrets, word by word: `employee no` is `employee_no`, `employeeNo` and `Employee-No`."""
    allowed_keys: TextList = ()
    """Keys that are not redacted by their name: `csrf_token` is `X-CSRF-Token` too. By its shape a value still is."""
    allowed_kinds: TextList = ()
    """Kinds that stay, as masks name them: `aws_key_id`, if access key ids are to be seen in what CloudTrail tells."""
    cards: bool = True
    """Whether numbers of payment cards are (with the right check digit)."""
    emails: bool = False
    """Whether e-mail addresses are."""
    phones: bool = False
    """Whether what is written like a telephone number is."""
    ibans: bool = False
    """Whether international bank account numbers are (with the right check digits)."""
    ssns: bool = False
    """Whether US social security numbers are; under a key such as `ssn` they always are."""
    patterns: TextTable = {}
    """Own patterns of secret values by name: `badge = "EMP-[0-9]{6}"` gives `[redacted:badge]`. Repetitions need an
    upper bound; a pattern that a text could make slow is refused."""
    digest_key_file: str = ""
    """For `digest`: a file with 32 random bytes or more, not in the store's directory; relative to that directory."""

    @field_validator("patterns")
    @classmethod
    def _bounded(cls, patterns: dict[str, str]) -> dict[str, str]:
        for name, pattern in patterns.items():
            compiled(name, pattern)
        return patterns


class Redactor:
    """Takes out of events what is secret in them. Any number of threads may use one."""

    def __init__(self, settings: RedactionSettings, key: bytes = b"") -> None:
        if settings.mode == "digest" and len(key) < _KEY_LEAST:
            raise InvalidSetting(
                f"[redaction] digest_key_file: expected a key of {_KEY_LEAST} bytes or more, found {len(key)}",
                hint="head -c 32 /dev/urandom > FILE makes one",
            )
        self._enabled = settings.enabled
        self._names = KeyNames(settings.keys, settings.allowed_keys)
        personal = [what for what in ("cards", "emails", "phones", "ibans", "ssns") if getattr(settings, what)]
        patterns = {name: compiled(name, pattern) for name, pattern in settings.patterns.items()}
        self._search = Search(self._names, settings.keys, personal, patterns, settings.allowed_kinds)
        self._marks = Marks(settings.mode, key)
        self._gate = Gate(self._names, self._search)

    @classmethod
    def load(cls, directory: Path) -> Redactor:
        """The redactor that the store's settings describe. Raises InvalidSetting."""
        settings = load_section(RedactionSettings, directory, "redaction")
        return cls(settings, _digest_key(settings, directory))

    def __call__(self, fields: dict[str, Any]) -> dict[str, Any]:
        """The fields without what is secret in them, and with `redacted`; the same object if there is nothing.

        What is given is not changed, nor anything inside it.
        """
        if not self._enabled or not self._worth(fields):
            return fields
        walk = Walk(self._names, self._search, self._marks)
        changed = {name: value if name in _FIXED else walk.value(value, (name,)) for name, value in fields.items()}
        if not walk.found:
            return fields
        changed["redacted"] = _paths(walk, fields.get("redacted") or [])
        return {name: changed[name] for name in FIELDS if name in changed and changed[name] is not GONE}

    def text(self, text: str) -> str:
        """The text without what is secret in it; the same object if there is nothing."""
        return Walk(self._names, self._search, self._marks).text(text) if self._enabled else text

    def _worth(self, fields: dict[str, Any]) -> bool:
        """Whether there can be anything secret in the fields; quick, because for most there cannot."""
        texts: list[str] = []
        for name, value in fields.items():
            if name in _FIXED:
                continue
            if value.__class__ is str:
                texts.append(value)
            elif self._gate.inside(value, texts):
                return True
        return self._search.worth("\n".join(texts))


def _paths(walk: Walk, before: list[str]) -> list[str]:
    """The paths of what was found, those before included, sorted; of very many, the fields that they lie in."""
    paths = {*before, *map(json_path, walk.found)}
    return sorted(paths if len(paths) <= _PATHS else {json_path(path[:1]) for path in walk.found} | set(before))


def _digest_key(settings: RedactionSettings, directory: Path) -> bytes:
    """The key in the file that the settings name; none if they ask for no digests. Raises InvalidSetting."""
    if settings.mode != "digest":
        return b""
    where = f"{Layout(directory).settings}: [redaction] digest_key_file"
    if not settings.digest_key_file:
        raise InvalidSetting(f'{where}: mode "digest" needs a file with a key', hint="name one outside the store")
    path = (directory / settings.digest_key_file).resolve()
    if path.is_relative_to(directory.resolve()):
        raise InvalidSetting(
            f"{where} = {path}: lies in the store's directory", hint="who has the files must not have the key with them"
        )
    try:
        with path.open("rb") as file:
            return file.read(_KEY_MOST)
    except OSError as error:
        raise InvalidSetting(f"{where} = {path}: cannot be read: {error.strerror}") from None
