"""The code in the documents runs: each document's blocks in order, in a folder of its own that begins empty."""

import itertools
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = ("README.md", "data/README.md", "docs/capture.md")
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


def test_an_archive_unpacks_to_the_hash_in_its_manifest(tmp_path: Path, environment: dict[str, str]) -> None:
    """The last two lines of the block about sealed days in data/README.md, one computed and one read, agree."""
    for kind, code in blocks("data/README.md"):
        command = ["python", "-c", code] if kind == "python" else ["bash", "-c", code]
        ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
        if "zcat" in code:
            break
    computed, recorded = ran.stdout.split("\n")[-3:-1]
    assert computed == recorded
    assert re.fullmatch("[0-9a-f]{64}", recorded)


@pytest.fixture
def two_days(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a store whose first segment, of 4,000 events in several frames, is sealed with the codec."""

    def made(codec: str) -> Path:
        from stonelog.filestore import Store

        (tmp_path / "data").mkdir()
        (tmp_path / "data/stonelog.toml").write_text(f'[seal]\ncodec = "{codec}"\n')
        with Store.open(tmp_path / "data") as store:
            store.append_many(
                {"category": "api", "action": "read", "message": f"größe {number} " * 10} for number in range(4000)
            )
            store.roll(early=True)
            (sealed,) = store.upkeep.seal()
        assert len(sealed.frames) > 1
        return tmp_path / "data/events" / sealed.file

    return made


@pytest.mark.parametrize(
    ("codec", "command"),
    [
        ("gzip", "zcat {}"),
        ("gzip", "gzip -t {} && zgrep -h . {}"),
        ("gzip", "rg -z --no-filename . {}"),
        ("zstd", "zstdcat {}"),
        ("zstd", "zstd -q -t {} && zstdgrep -h . {}"),
        ("zstd", "rg -z --no-filename . {}"),
    ],
)
def test_ordinary_tools_read_a_sealed_day(two_days: Callable[[str], Path], codec: str, command: str) -> None:
    """Whoever has the tool for the codec gets the plain lines of a sealed day from it, byte for byte."""
    from stonelog.filestore import Reader

    for part in command.split(" && "):
        if shutil.which(part.split()[0]) is None:
            pytest.skip(f"{part.split()[0]} is not installed")
    archive = two_days(codec)
    ran = subprocess.run(["bash", "-c", command.replace("{}", str(archive))], capture_output=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    lines = [line.raw for line in Reader(archive.parent.parent).lines()]
    assert ran.stdout == b"".join(line + b"\n" for line in lines[:4000])


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_duckdb_reads_sealed_days_and_others_at_once(two_days: Callable[[str], Path], codec: str) -> None:
    """The statement in data/README.md counts the events of all days."""
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    (statement,) = re.findall(
        r"^```sql\n(.*?)^```$", (ROOT / "data/README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    folder = two_days(codec).parent.parent.parent
    found = duckdb.sql(statement.strip().rstrip(";").replace("data/events", f"{folder}/data/events")).fetchall()
    assert sorted(found) == [("read", 4000), ("store_sealed", 1)]


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_polars_reads_a_sealed_day(two_days: Callable[[str], Path], codec: str) -> None:
    """polars unpacks a sealed day by itself."""
    polars = pytest.importorskip("polars", reason="polars is not installed")
    assert polars.read_ndjson(two_days(codec)).height == 4000


def test_every_field_stands_in_the_format_table_in_its_order() -> None:
    """The table of data/README.md names the fields of an event, all of them, in their order on the line."""
    from stonelog.filestore import FIELDS

    text = (ROOT / "data/README.md").read_text(encoding="utf-8")
    table = text[text.index("| key | type, unit | note |") : text.index("## hash and synced")]
    first_cells = re.findall(r"^\| (`[^|]+`) \|", table, re.MULTILINE)
    assert tuple(re.findall(r"`(\w+)`", " ".join(first_cells))) == FIELDS


def test_every_key_of_a_manifest_stands_in_its_table_in_its_order() -> None:
    """The table of data/README.md names the keys of a manifest, all of them, in their order in the file."""
    from stonelog.filestore import Manifest

    text = (ROOT / "data/README.md").read_text(encoding="utf-8")
    table = text[text.index("| manifest key |") : text.index("### The steps of sealing")]
    first_cells = re.findall(r"^\| (`[^|]+`) \|", table, re.MULTILINE)
    assert re.findall(r"`(\w+)`", " ".join(first_cells)) == [*Manifest.__dataclass_fields__, "hash"]


def test_every_setting_stands_in_operations_with_its_default_and_its_variable() -> None:
    """The settings in docs/operations.md are those there are, with their defaults and environment variables."""
    from stonelog.api.settings import Settings

    models = Settings.sections()
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```toml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert tomllib.loads(block) == {name: model().model_dump(mode="json") for name, model in models.items()}
    variables = {f"STONELOG_{name}_{key}".upper() for name, model in models.items() for key in model.model_fields}
    assert set(re.findall(r"STONELOG_\w+", block)) == variables


def test_every_event_of_the_stores_own_stands_in_operations() -> None:
    """The table in docs/operations.md names each action that the store tells of itself, and no other."""
    sources = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "filestore").glob("*.py")))
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    table = text[text.index("| action | level |") : text.index("Each process tells")]
    documented = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    assert documented == set(re.findall(r'"(store_[a-z_]*[a-z]|events_dropped)"', sources))


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
