"""`detect`: what the rules find in the events that are there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import nothing_found, output_option, store_option
from .program import DONE
from .terminal import Progress, coloured, put, report, visible

if TYPE_CHECKING:
    from stonelog.indexer import DetectSettings, Finding, LoadedRules

__all__ = ["detect"]

_SHOWN_SEQS = 10


@click.command()
@click.option(
    "-S", "--since", metavar="TIME", help="Only events from this time on: RFC 3339, a date, or a span such as 30d."
)
@click.option("--rule", "only", metavar="ID", multiple=True, help="Only this rule; several times for several.")
@click.option(
    "--rules",
    "more",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Further rules: TOML, or Sigma (.yml).",
)
@click.option("--list", "listing", is_flag=True, help="Show the rules instead.")
@click.option("--write", is_flag=True, help="Write the findings that the store does not have yet into it, as events.")
@output_option("text", "json", default="text")
@store_option
def detect(
    directory: Path,
    since: str | None,
    only: tuple[str, ...],
    more: tuple[Path, ...],
    listing: bool,
    write: bool,
    output: str,
) -> int:
    """Look through the events with the rules.

    The rules are the shipped ones, those that [detect] in stonelog.toml names, and those in DIR/rules. The status is 0
    if they find something, 1 if nothing.
    """
    from stonelog.filestore import load_section
    from stonelog.indexer import DetectSettings, load_rules

    settings = load_section(DetectSettings, directory, "detect")
    loaded = load_rules(directory, settings, more)
    for reason in loaded.unsupported:
        report(f"warning: not used: {reason}")
    if listing:
        return _list(loaded, only, output)
    findings, known = _found(directory, loaded, only, settings, since)
    if output == "json":
        put(json.dumps({"findings": [finding.metadata() | {"message": finding.message} for finding in findings]}))
    else:
        for finding in findings:
            put(_line(finding))
    if write:
        new = [finding for finding in findings if finding.identity not in known]
        _write(directory, new)
        if output == "text":
            put(f"{len(new):,} written, {len(findings) - len(new):,} were there")
    return DONE if findings else nothing_found()


def _found(
    directory: Path, loaded: LoadedRules, only: tuple[str, ...], settings: DetectSettings, since: str | None
) -> tuple[list[Finding], set[str]]:
    """What is found, and the identities of the findings that the store has."""
    from stonelog.indexer import look_back

    known: set[str] = set()
    with Progress("looking") as progress:
        rules = loaded.enabled(only)
        findings = look_back(
            directory,
            rules,
            since=since,
            keys=settings.max_keys,
            late=settings.late_microseconds,
            progress=progress,
            known=known.add,
        )
        return list(findings), known


def _list(loaded: LoadedRules, only: tuple[str, ...], output: str) -> int:
    rules = loaded.enabled(only) if only else loaded.rules
    if output == "json":
        told = [each.rule.model_dump(mode="json", exclude_defaults=True) | {"origin": each.origin} for each in rules]
        put(json.dumps({"rules": told, "unsupported": list(loaded.unsupported)}))
        return DONE
    for rule, _, _ in rules:
        off = "" if rule.enabled else " (off)"
        put(f"{rule.severity:<8} {rule.form:<10} {rule.id}{off}: {visible(rule.title)}")
    return DONE


def _line(finding: Finding) -> str:
    """Severity, time of the last event, rule, title with key, count and the first places."""
    seqs = ",".join(map(str, finding.seqs[:_SHOWN_SEQS])) + (",…" if len(finding.seqs) > _SHOWN_SEQS else "")
    severity = coloured(f"{finding.severity:<8}", finding.level)
    events = "1 event" if finding.count == 1 else f"{finding.count:,} events"
    time = str(finding.fields()["time"])[:19]
    return f"{severity} {time}Z {finding.rule}: {visible(finding.message)} ({events}: seq {seqs})"


def _write(directory: Path, findings: list[Finding]) -> None:
    from stonelog.filestore import Store

    if findings:
        with Store.open(directory) as store:
            store.append_many([finding.fields() for finding in findings])
