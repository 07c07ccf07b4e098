"""The command as a user has it, and real input."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner, Result

DATA = Path(__file__).parents[2] / "../shared/data"


class Ended(NamedTuple):
    """How a process ended, and what it wrote."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for key in list(os.environ):
        if key.startswith("STONELOG_") or key == "NO_COLOR":
            monkeypatch.delenv(key)
    monkeypatch.setenv("STONELOG_DIR", str(tmp_path / "store"))


@pytest.fixture
def stonelog() -> Callable[..., Ended]:
    """Runs a command as a process of its own."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONUTF8": "1",
        "PYTHONWARNINGS": "error",
    }

    def run(*args: object, input: str | None = None) -> Ended:
        command = [sys.executable, "-m", "stonelog.api.cli", *map(str, args)]
        ended = subprocess.run(
            command, input=None if input is None else input.encode(), capture_output=True, env=environment, timeout=100
        )
        return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())

    return run


@pytest.fixture
def quick() -> Callable[..., Result]:
    """Runs a command in this process, where hundreds are run."""
    from stonelog.api.cli import program

    return lambda *args: CliRunner().invoke(program, [str(arg) for arg in args])


@pytest.fixture
def shared() -> Callable[[str], Path]:
    """A file of the real input, whose origin stands in its SOURCE.md; skips where it is not at hand."""

    def shared(name: str) -> Path:
        if not DATA.is_dir():
            pytest.skip("the shared data is not beside the project")
        return (DATA / name).resolve()

    return shared


@pytest.fixture
def shell() -> Callable[..., str]:
    """What a pipeline of ordinary tools prints, with the file as $1."""

    def shell(pipeline: str, path: Path) -> str:
        return subprocess.run(
            ["sh", "-c", pipeline, "sh", path], capture_output=True, text=True, env={**os.environ, "LC_ALL": "C.UTF-8"}
        ).stdout

    return shell
