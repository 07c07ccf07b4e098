"""The section `[detect]`: which rules are used, what is kept for them, and who is told of findings."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from stonelog.filestore import TextList

from .finding import Severity
from .rules import span

__all__ = ["DetectSettings"]


def _a_span(value: str) -> str:
    span(value)
    return value


def _web_address(value: str) -> str:
    if value and not value.startswith(("https://", "http://")):
        raise ValueError("an address that begins with https:// or http://, or '' for none")
    return value


class DetectSettings(BaseModel):
    """The section `[detect]`: rules over the events as they come, and over those that are there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = True
    """Whether the server looks for findings as events come."""
    defaults: bool = True
    """Whether the shipped rules are used."""
    disabled: TextList = ()
    """The ids of rules that are not used."""
    rules_files: TextList = ()
    """Files of further rules, relative to the store's directory: TOML, or Sigma rules (.yml, needs stonelog[sigma]).
    Those in DIR/rules are used without being named."""
    replay: bool = False
    """Where the server begins if it was never there before: with the oldest event, else with the next one."""
    late: Annotated[str, AfterValidator(_a_span)] = "5m"
    """So much earlier than those before them may events happen and still count with them."""
    max_keys: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """So many keys (users, addresses) a rule keeps in mind; those seen least recently go first."""
    save_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 60.0
    """So often at most the state is saved (DIR/detect.state); what came since is looked at again after a crash."""
    notify_from: Severity = "low"
    """The lowest severity that is told outside: by webhook, command and syslog."""
    webhook: Annotated[str, AfterValidator(_web_address)] = ""
    """An address to which each finding is sent, as JSON by POST."""
    command: TextList = ()
    """A program and its arguments, started for each finding with JSON on its standard input; no shell."""
    syslog: str = ""
    """Where a line is sent for each finding: a socket such as /dev/log, or host:port (UDP)."""
    notify_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 5.0
    """How long a webhook may take to answer, and a command to end."""

    @property
    def late_microseconds(self) -> int:
        """`late` as a number."""
        return span(self.late)
