"""The commands as a whole: all are there, and all is documented."""

import re
from pathlib import Path

import click
import pytest

from stonelog.api.cli import program

PAGE = Path(__file__).parents[3] / "docs/cli.md"
NAMES = [
    "append",
    "ingest",
    "search",
    "tail",
    "count",
    "stats",
    "facets",
    "histogram",
    "show",
    "cat",
    "files",
    "seal",
    "retain",
    "hold",
    "reindex",
    "serve",
    "verify",
    "doctor",
    "detect",
    "config",
    "demo",
    "bench",
]


def sections():
    """The text of the page by its headings of the third level."""
    parts = re.split(r"^### (\S+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], (re.split(r"^## ", part, flags=re.MULTILINE)[0] for part in parts[2::2]), strict=True))


def parameters(name, kind):
    """The options or arguments of a command, and of the commands within it, each with its own context."""
    command = program.commands[name]
    within = getattr(command, "commands", {}).values()
    return [
        (each, parameter) for each in (command, *within) for parameter in each.params if isinstance(parameter, kind)
    ]


def test_these_are_the_commands():
    """The commands of the contract are there, in an order to read them in."""
    assert program.list_commands(click.Context(program)) == NAMES


@pytest.mark.skipif(not PAGE.exists(), reason="an installed package comes without docs/")
def test_every_command_is_documented():
    """docs/cli.md has a section for each command, and for no other."""
    assert list(sections()) == NAMES


@pytest.mark.skipif(not PAGE.exists(), reason="an installed package comes without docs/")
@pytest.mark.parametrize("name", NAMES)
def test_every_option_is_documented(name):
    """A command's section names each of its options and arguments, and no option that it does not have."""
    text = sections()[name]
    shared = {"--since": "-S TIME", "--until": "-U TIME"}
    known = {option for _, parameter in parameters(name, click.Option) for option in parameter.opts}
    missing = [option for option in sorted(known) if option not in text and shared.get(option, option) not in text]
    missing += [
        parameter.human_readable_name
        for command, parameter in parameters(name, click.Argument)
        if parameter.make_metavar(click.Context(command)) not in text
    ]
    missing += [word for word in getattr(program.commands[name], "commands", {}) if f"{name} {word}" not in text]
    assert missing == []
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) <= known


@pytest.mark.skipif(not PAGE.exists(), reason="an installed package comes without docs/")
def test_general_options_and_variables_are_documented():
    """What holds for all commands stands before the sections: options, environment, statuses."""
    general = PAGE.read_text(encoding="utf-8").split("\n## Writing")[0]
    words = [
        "--dir",
        "--version",
        "--help",
        "STONELOG_DIR",
        "STONELOG_DEBUG",
        "NO_COLOR",
        "| 0 |",
        "| 1 |",
        "| 2 |",
        "130",
    ]
    assert [word for word in words if word not in general] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_command_and_option_has_help(name):
    """`--help` says something about the command and each option, and its first sentence fits the list of commands."""
    command = program.commands[name]
    assert command.help
    assert not command.get_short_help_str(60).endswith("...")
    assert [option.opts for _, option in parameters(name, click.Option) if not option.help] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_command_takes_a_directory(name):
    """--dir is an option of every command."""
    command = program.commands[name]
    children = list(getattr(command, "commands", {}).values())
    for each in [command, *children] if name != "bench" else children:
        assert "--dir" in {option for parameter in each.params for option in parameter.opts}


def test_completion_is_offered(process):
    """The shell's completion finds commands and options."""
    ended = process(env={"_STONELOG_COMPLETE": "bash_complete", "COMP_WORDS": "stonelog se", "COMP_CWORD": "1"})
    assert ended.out.split() == [b"plain,search", b"plain,seal", b"plain,serve"]
