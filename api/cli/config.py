"""`config`: the settings in force, and where each comes from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import existing, group_directory_option, output_option, store_option
from .program import DONE
from .terminal import pad, put, visible, width

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["config"]

_DEFAULT = "default"

_form = output_option("text", "json", default="text")


@click.group(invoke_without_command=True)
@_form
@group_directory_option
@click.pass_context
def config(context: click.Context, directory: Path | None, output: str) -> int:
    """Show the settings in force. Alone it is `config show`."""
    return DONE if context.invoked_subcommand is not None else _show(existing(directory), output)


@config.command()
@_form
@store_option
def show(directory: Path, output: str) -> int:
    """Show every setting, and what sets it: default, stonelog.toml or a variable.

    The text is TOML, fit for stonelog.toml."""
    return _show(directory, output)


def _show(directory: Path, output: str) -> int:
    sections = _sections(directory)
    if output == "json":
        put(json.dumps(sections))
        return DONE
    lines = [
        (f"{key} = {_toml(entry['value'])}", entry["source"])
        for entries in sections.values()
        for key, entry in entries.items()
    ]
    columns = max(width(text) for text, _ in lines)
    described = iter(lines)
    for place, (name, entries) in enumerate(sections.items()):
        put(f"{chr(10) if place else ''}[{name}]")
        for text, source in (next(described) for _ in entries):
            put(f"{pad(text, columns)}  # {source}")
    return DONE


def _sections(directory: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Of each section the settings: value and source. Raises InvalidSetting for a value that cannot be."""
    from stonelog.filestore import RetentionSettings, SealSettings, StoreSettings, load_section, setting_sources
    from stonelog.indexer import JobSettings

    from ..settings import HttpSettings

    models: dict[str, type[BaseModel]] = {
        "store": StoreSettings,
        "seal": SealSettings,
        "retention": RetentionSettings,
        "jobs": JobSettings,
        "http": HttpSettings,
    }
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name, model in models.items():
        values = load_section(model, directory, name).model_dump()
        sources = setting_sources(directory, name)
        found[name] = {key: {"value": value, "source": sources.get(key, _DEFAULT)} for key, value in values.items()}
    return found


def _toml(value: object) -> str:
    """The value as TOML: that of a text, number or truth is its JSON."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(key)} = {_toml(each)}" for key, each in value.items()) + "}"
    return visible(json.dumps(value, ensure_ascii=False))
