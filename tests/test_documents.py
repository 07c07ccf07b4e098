"""The code in the documents runs: each document's blocks in order, in a folder of its own that begins empty."""

import itertools
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = ("README.md", "data/README.md")
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(document: str) -> list[tuple[str, str]]:
    """The blocks marked `python` or `sh`; what must not run is marked `console`, or not at all."""
    return [(kind, code) for kind, code in BLOCK.findall((ROOT / document).read_text(encoding="utf-8"))]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """This interpreter as `python`, and a `stonelog` that runs it, come first on the PATH."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, arguments in {"python": "", "stonelog": "-m stonelog.api.cli "}.items():
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments}"$@"\n')
        (programs / name).chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONWARNINGS": "error", "TZ": "UTC"}


@pytest.mark.skipif(shutil.which("jq") is None, reason="the documents show jq, which is not installed")
@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_code_in_a_document_runs(document: str, tmp_path: Path, environment: dict[str, str]) -> None:
    """Whoever copies the blocks of a document one after the other gets no error from any."""
    folder = tmp_path / "here"
    folder.mkdir()
    found = blocks(document)
    assert found
    for kind, code in found:
        command = ["python", "-c", code] if kind == "python" else ["bash", "-euo", "pipefail", "-c", code]
        ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
        assert ran.returncode == 0, f"{document}:\n{code}\n{ran.stdout}{ran.stderr}"


def test_the_auditors_command_gives_the_stored_hash(tmp_path: Path, environment: dict[str, str]) -> None:
    """The last two commands of the block in data/README.md, one reading the hash and one computing it, agree."""
    found = itertools.pairwise(blocks("data/README.md"))
    before, shell = next((code, sh) for (_, code), (kind, sh) in found if kind == "sh")
    subprocess.run(["python", "-c", before], cwd=tmp_path, env=environment, check=True, timeout=60)
    ran = subprocess.run(["bash", "-c", shell], cwd=tmp_path, env=environment, capture_output=True, text=True)
    stored, computed = ran.stdout.split("\n")[-3:-1]
    assert stored == computed
    assert re.fullmatch("[0-9a-f]{16}", stored)


def test_every_field_stands_in_the_format_table_in_its_order() -> None:
    """The table of data/README.md names the fields of an event, all of them, in their order on the line."""
    from stonelog.filestore import FIELDS

    text = (ROOT / "data/README.md").read_text(encoding="utf-8")
    table = text[text.index("| key | type, unit | note |") : text.index("## hash and synced")]
    first_cells = re.findall(r"^\| (`[^|]+`) \|", table, re.MULTILINE)
    assert tuple(re.findall(r"`(\w+)`", " ".join(first_cells))) == FIELDS


def test_every_setting_stands_in_operations_with_its_default_and_its_variable() -> None:
    """The settings in docs/operations.md are those there are, with their defaults and environment variables."""
    from stonelog.filestore import StoreSettings

    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```toml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert tomllib.loads(block) == {"store": StoreSettings().model_dump()}
    assert set(re.findall(r"STONELOG_STORE_(\w+)", block)) == {name.upper() for name in StoreSettings.model_fields}


def test_documents_link_to_what_exists() -> None:
    """A relative link in any document leads to a file or folder of the project."""
    dead = []
    for document in sorted({*ROOT.glob("*.md"), *ROOT.glob("*/*.md"), *ROOT.glob("data/samples/**/*.md")}):
        if any(part.startswith(".") for part in document.relative_to(ROOT).parts):
            continue
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
            if not (document.parent / link).exists():
                dead.append(f"{document.relative_to(ROOT)}: {link}")
    assert not dead
