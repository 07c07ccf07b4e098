"""How the program ends, as its callers see it: status, one line of error, no traceback, pipes, signals."""

import os
import subprocess
import sys

import click
import pytest

from stonelog.api.cli import program
from stonelog.api.cli.program import Program
from stonelog.filestore import InvalidSetting, Store

MISTAKES = [
    ["nonsense"],
    ["--nonsense"],
    ["append"],
    ["append", "api"],
    ["append", "api", "read", "a", "b"],
    ["append", "API", "read"],
    ["append", "api", "read", "--set", "nonsense"],
    ["append", "api", "read", "--set", "nothing=1"],
    ["append", "api", "read", "--set", "seq=1"],
    ["append", "api", "read", "--durability", "maybe"],
    ["append", "api", "read", "x" * 70_000],
    ["append", "api", "read", b"\xff"],
    ["append", "api", "read", "--dir", "file"],
    ["append", "api", "read", "--dir", "file/below"],
    ["ingest", "absent.log"],
    ["ingest", "."],
    ["ingest", "file", "--format", "nonsense"],
    ["ingest", "file", "--map", "absent.toml"],
    ["ingest", "file", "--year", "twenty"],
    ["search", "--dir", "absent"],
    ["search", "--dir", "file"],
    ["search", "nofield:x"],
    ["search", "(a"],
    ["search", "status_code:abc"],
    ["search", b"\xff"],
    ["search", "-level:info"],
    ["search", "--since", "yesterday"],
    ["search", "-n", "0"],
    ["search", "-n", "many"],
    ["search", "-o", "xml"],
    ["search", "--after-cursor", "nonsense"],
    ["search", "a" * 9000],
    ["tail", "nofield:x"],
    ["tail", "-f", "-n", "0", "nofield:x"],
    ["count", "--until", "2026-99-99"],
    ["facets"],
    ["facets", "nofield"],
    ["histogram", "--step", "1"],
    ["histogram", "--step", "0s"],
    ["histogram", "--by", "nofield"],
    ["show"],
    ["show", "nonsense"],
    ["cat", "nonsense"],
    ["cat", "../events/2026-11-23.jsonl"],
    ["cat", "/etc/passwd"],
    ["files", "--dir", "absent"],
    ["seal", "--dir", "absent"],
    ["seal", "today"],
    ["retain", "--dry-run", "--dir", "file"],
    ["hold", "--dir", "absent"],
    ["hold", "nonsense"],
    ["hold", "add"],
    ["hold", "add", "2026-11-23"],
    ["hold", "add", "2026-02-30", "--reason", "x"],
    ["hold", "add", "2026-11-23", "2026-11-22", "--reason", "x"],
    ["hold", "add", "2026-11-23", "--reason", " "],
    ["hold", "add", "2026-11-23", "--reason", b"\xff"],
    ["hold", "release", "H9"],
    ["config", "show", "--dir", "absent"],
    ["config", "nonsense"],
    ["reindex", "--dir", "absent"],
    ["serve", "--port", "99999"],
    ["serve", "--host", "0.0.0.0"],
    ["doctor", "--dir", "absent"],
    ["demo", "--dir", "store"],
]


def _is_one_line(code, error):
    assert code == 2, error
    assert error.startswith("stonelog: ")
    assert error.count("\n") == 1
    assert "Traceback" not in error
    assert "unexpected " not in error.replace("unexpected extra argument", "")


@pytest.mark.parametrize("args", MISTAKES, ids=lambda args: b" ".join(map(os.fsencode, args))[:60].decode("latin-1"))
def test_a_mistake_is_one_line_and_status_2(run, store, tmp_path, args):
    """A user's mistake is exactly one line on standard error that begins with the program's name, and no traceback."""
    (tmp_path / "file").write_text("not a log\n")
    ended = run(*map(os.fsdecode, args), env={"STONELOG_DIR": str(store)})
    _is_one_line(ended.exit_code, ended.stderr)


@pytest.mark.parametrize("args", MISTAKES[::9], ids=lambda args: " ".join(map(str, args)))
def test_a_mistake_is_one_line_for_the_shell_too(process, store, tmp_path, args):
    """The same holds for the process that a shell starts."""
    (tmp_path / "file").write_text("not a log\n")
    ended = process(*args, env={"STONELOG_DIR": str(store)})
    _is_one_line(ended.code, ended.err.decode())


@pytest.mark.parametrize("command", sorted(program.commands.keys() - {"append", "ingest", "serve", "demo", "bench"}))
def test_asking_makes_nothing(run, tmp_path, command):
    """A command that reads leaves a directory that does not exist as it is: absent."""
    arguments = {"facets": ["level"], "show": ["1"]}.get(command, [])
    ended = run(command, *arguments, "--dir", "absent")
    assert ended.exit_code == 2
    assert "absent" in ended.stderr
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["srve"], ["no such command", "did you mean 'serve'"]),
        (["search", "--sinse", "1h"], ["--sinse", "--since"]),
        (["search", "--", "-level:infoo"], ["infoo"]),
        (["search", "-level:info"], ["comes after --"]),
        (["append"], ["append", "CATEGORY", "--help"]),
        (["search", "usrname:ada"], ["usrname", "character 1", "username"]),
        (["search", "--dir", "absent"], ["absent", "does not exist", "--dir"]),
    ],
)
def test_an_error_says_what_where_and_what_to_do(run, store, args, words):
    """The line names what was given and what could be given instead."""
    error = run(*args, env={"STONELOG_DIR": str(store)}).stderr
    assert [word for word in words if word not in error] == [], error


def test_without_a_command_there_is_help(run):
    """`stonelog` alone prints the help and is no error."""
    ended = run()
    assert ended.exit_code == 0
    assert "Commands:" in ended.stdout


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_goes_to_standard_output(run, option):
    """Help that was asked for is output, status 0, for the program and each command."""
    for command in ([], *([name] for name in program.commands)):
        ended = run(*command, option)
        assert (ended.exit_code, ended.stderr) == (0, "")
        assert ended.stdout.startswith("Usage: stonelog")


def test_version(run):
    """--version prints one line and ends."""
    ended = run("--version")
    assert ended.exit_code == 0
    assert ended.stdout.startswith("stonelog")


@pytest.mark.parametrize(
    "command", [["cat"], ["search", "-n", "100000", "-o", "jsonl"], ["search", "-n", "100000", "-o", "csv"]]
)
def test_a_reader_that_has_seen_enough_is_no_error(tmp_path, running, command):
    """`| head -1` gets its line; the program ends with status 0 and says nothing."""
    with Store.open(tmp_path / "store") as store:
        store.append_many([{"category": "api", "action": "read", "message": "x" * 500}] * 3000)
    going = running(*command, "--dir", "store")
    assert going.line()
    going.child.stdout.close()
    going.child.stdout = None
    _, error = going.child.communicate(timeout=60)
    assert (going.child.returncode, error) == (0, b"")


def test_output_that_cannot_be_written_is_an_error(tmp_path, store, process):
    """A full disk under standard output is one line of error, not silence and not a traceback."""
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "stonelog.api.cli", "cat", "--dir", str(store)],
            stdout=full,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            timeout=60,
        )
    assert ended.returncode == 2
    assert ended.stderr == b"stonelog: standard output: No space left on device\n"


def test_closed_standard_output_is_no_traceback(tmp_path, store):
    """Started with descriptors closed, the program does its work."""
    ended = subprocess.run(
        f'"{sys.executable}" -m stonelog.api.cli count --dir "{store}" >&- 2>&-',
        shell=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        timeout=60,
    )
    assert ended.returncode == 0


def test_the_locale_does_not_matter_for_what_is_in_files(process, store):
    """With an ASCII locale raw lines come out as UTF-8, byte for byte."""
    lines = b"".join(path.read_bytes() for path in sorted((store / "events").iterdir()))
    ended = process("cat", "--dir", store, env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})
    assert ended.out == lines


def _interrupted(error, *args):
    probe = Program("probe")

    @probe.command()
    def work():
        raise error

    with pytest.raises(SystemExit) as caught:
        probe.main(["work"])
    return caught.value.code


def test_ctrl_c_is_quiet(capsys):
    """Ctrl-C ends with 130 and no words."""
    assert _interrupted(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == ""


def test_an_unexpected_error_is_one_line(capsys):
    """A defect is one line that says so and how to see where."""
    assert _interrupted(RuntimeError("oh\nno")) == 2
    error = capsys.readouterr().err
    assert error.startswith("stonelog: unexpected RuntimeError: oh no; this is a defect")
    assert "STONELOG_DEBUG=1" in error
    assert error.count("\n") == 1


def test_debugging_shows_where(capsys, monkeypatch):
    """With STONELOG_DEBUG=1 the traceback stands before the line."""
    monkeypatch.setenv("STONELOG_DEBUG", "1")
    _interrupted(RuntimeError("oh no"))
    error = capsys.readouterr().err
    assert "Traceback (most recent call last)" in error
    assert error.splitlines()[-1].startswith("stonelog: unexpected RuntimeError: oh no")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InvalidSetting("a.toml: [store] x = 1: no", hint="take it out"), "a.toml: [store] x = 1: no; take it out"),
        (PermissionError(13, "Permission denied", "a/b"), "a/b: Permission denied"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (click.ClickException("just so"), "just so"),
    ],
)
def test_errors_that_are_expected_say_what_and_where(capsys, error, line):
    """Errors of the store, of the system and of the options are their message in one line."""
    assert _interrupted(error) == 2
    assert capsys.readouterr().err == f"stonelog: {line}\n"


def test_how_far_it_came_is_told(capsys):
    """What an error notes about the work that was done is part of the line."""
    error = OSError(5, "Input/output error", "x")
    error.add_note("x: stopped after 3 read")
    _interrupted(error)
    assert capsys.readouterr().err == "stonelog: x: Input/output error; x: stopped after 3 read\n"


def test_a_start_loads_little(process):
    """`--help` needs none of the libraries that only some commands need."""
    code = (
        "import sys; sys.argv = ['stonelog', '--help']\n"
        "from stonelog.api.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'pydantic', 'sqlite3', 'fastapi', 'uvicorn', 'watchdog', 'apscheduler', 'orjson'}\n"
        "print(sorted(heavy & sys.modules.keys()), file=sys.stderr)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, timeout=60)
    assert ended.stderr == b"[]\n"


@pytest.mark.parametrize(
    ("command", "not_needed"),
    [
        ("append", ["sqlite3", "fastapi"]),
        ("search", ["fastapi", "apscheduler", "pydantic", "sqlite_utils", "watchdog"]),
        ("search", ["stonelog.api.cli.append", "stonelog.api.cli.figures", "stonelog.filestore.verification"]),
        ("search", ["stonelog.indexer.build", "stonelog.indexer.stats", "stonelog.indexer.schedule"]),
    ],
)
def test_a_command_loads_what_it_needs(store, command, not_needed):
    """Appending loads no index, asking no server."""
    arguments = {"append": ["append", "api", "read"], "search": ["search", "level:info"]}[command]
    code = (
        f"import sys; sys.argv = ['stonelog', *{arguments!r}, '--dir', {str(store)!r}]\n"
        "from stonelog.api.cli import main\n"
        "try: main()\n"
        "except SystemExit as ended: assert not ended.code\n"
        f"print(sorted(set({not_needed!r}) & sys.modules.keys()), file=sys.stderr)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, timeout=60)
    assert ended.stderr == b"[]\n"
