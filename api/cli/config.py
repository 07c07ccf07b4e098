"""`config`: the settings in force, and where each comes from."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from itertools import pairwise
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
_COLUMNS = 110

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
    """Show every setting with its meaning, and what sets it: default, stonelog.toml or a variable.

    The text is TOML, fit for stonelog.toml."""
    return _show(directory, output)


def _show(directory: Path, output: str) -> int:
    sections = _sections(directory)
    if output == "json":
        put(json.dumps(sections))
        return DONE
    lines = [
        (f"{key} = {_toml(entry['value'])}", entry) for entries in sections.values() for key, entry in entries.items()
    ]
    columns = max(width(text) for text, _ in lines)
    described = iter(lines)
    for place, (name, entries) in enumerate(sections.items()):
        put(f"{chr(10) if place else ''}[{name}]")
        for text, entry in (next(described) for _ in entries):
            for line in textwrap.wrap(entry["meaning"], _COLUMNS):
                put(f"# {line}")
            put(f"{pad(text, columns)}  # {entry['source']}")
    return DONE


def _sections(directory: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Of each section the settings: value and source. Raises InvalidSetting for a value that cannot be."""
    from stonelog.filestore import setting_sources

    from ..settings import Settings

    settings = Settings.load(directory)
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name, model in Settings.sections().items():
        sources, meanings = setting_sources(directory, name), _meanings(model)
        found[name] = {
            key: {"value": value, "source": sources.get(key, _DEFAULT), "meaning": meanings.get(key, "")}
            for key, value in getattr(settings, name).model_dump(mode="json").items()
        }
    return found


def _meanings(model: type[BaseModel]) -> dict[str, str]:
    """What the source says below each setting of a section."""
    (definition,) = ast.parse(inspect.getsource(model)).body
    assert isinstance(definition, ast.ClassDef)  # noqa: S101 (the source of a class)
    return {
        setting.target.id: " ".join(meaning.value.value.split())
        for setting, meaning in pairwise(definition.body)
        if isinstance(setting, ast.AnnAssign)
        and isinstance(setting.target, ast.Name)
        and isinstance(meaning, ast.Expr)
        and isinstance(meaning.value, ast.Constant)
        and isinstance(meaning.value.value, str)
    }


def _toml(value: object) -> str:
    """The value as TOML: that of a text, number or truth is its JSON."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(key)} = {_toml(each)}" for key, each in value.items()) + "}"
    return visible(json.dumps(value, ensure_ascii=False))
