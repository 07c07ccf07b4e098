"""The figures as a table to read and as a document to keep. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Final

from ..cli.tables import table
from .figure import Figure, Target, Unit
from .machine import Machine

__all__ = ["as_document", "as_lines", "with_unit"]


def _seconds(value: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if value >= size:
            return f"{value / size:,.3g} {unit}"
    return f"{value / 1e-6:,.3g} µs"


_TEXTS: Final[dict[str, Callable[[float], str]]] = {
    "events/s": lambda value: f"{value:,.0f}/s",
    "events": lambda value: f"{value:,.0f}",
    "s": _seconds,
    "B": lambda value: f"{value / (1 << 20):,.1f} MiB",
}
_MET: Final = {True: "met", False: "MISSED", None: ""}


def with_unit(value: float, unit: Unit) -> str:
    """The value as people read it."""
    return _TEXTS[unit](value)


def as_lines(machine: Machine, figures: Sequence[Figure], method: str) -> list[str]:
    """What it ran on, the table, and how to read it: `method` says what the figures are of."""
    rows = [
        (
            figure.name,
            with_unit(figure.ours, figure.unit),
            with_unit(figure.reference, figure.unit),
            figure.against,
            f"{figure.ratio:,.2f}",
            _target(figure.target, figure.unit),
            _MET[figure.met],
        )
        for figure in figures
    ]
    lines = [
        f"{machine.cpu}, {machine.cores} cores; {machine.kernel}; {machine.python}; SQLite {machine.sqlite}; "
        f"file system {machine.file_system or 'unknown'}"
    ]
    if not machine.syncs:
        lines.append(
            f"{machine.file_system} is memory: a sync does nothing there, and the figures mean little; "
            "name a place on a disk with --dir"
        )
    lines += ["", *table(("measure", "ours", "reference", "of", "ratio", "target", ""), rows), ""]
    lines += dict.fromkeys(f"{figure.name}: {figure.note}" for figure in figures if figure.note)
    return [*lines, method]


def _target(target: Target | None, unit: Unit) -> str:
    if target is None:
        return ""
    limit = f"{target.limit:g}" if target.of == "ratio" else with_unit(target.limit, unit)
    return f"{'>=' if target.at == 'least' else '<='} {limit}"


def as_document(
    benchmark: str, machine: Machine, figures: Sequence[Figure], *, events: int, rounds: int, seconds: float
) -> dict[str, Any]:
    """All that is known of the run, as JSON has it; rates are in events a second, times in seconds, memory in bytes."""
    return {
        "benchmark": benchmark,
        "events": events,
        "rounds": rounds,
        "seconds": round(seconds, 1),
        "machine": asdict(machine),
        "figures": [
            {
                "name": figure.name,
                "unit": figure.unit,
                "ours": figure.ours,
                "against": figure.against,
                "reference": figure.reference,
                "ratio": figure.ratio,
                "target": asdict(figure.target) if figure.target else None,
                "met": figure.met,
                "note": figure.note,
                "our_rounds": figure.our_rounds,
                "reference_rounds": figure.reference_rounds,
            }
            for figure in figures
        ],
    }
