"""The house: what the wheel holds, which way imports go, and the rules that a reader can count on."""

import ast
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("filestore", "indexer", "api")
MODULES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
NAMES = [path.relative_to(ROOT).as_posix() for path in MODULES]
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in zip(NAMES, MODULES, strict=True)}

BELOW = {"filestore": set(), "indexer": {"filestore"}, "api": {"filestore", "indexer"}}

# Each dependency is imported where it can be replaced; a folder stands for all its modules.
IMPORTERS = {
    "orjson": {
        "filestore/codec.py",
        *("indexer/schema.py", "indexer/shard.py", "indexer/postings.py", "indexer/block.py"),
    },
    "pyroaring": {"indexer"},
    "sqlite_utils": {"indexer/schema.py"},
    "watchdog": {"indexer/watch.py"},
    "apscheduler": {"indexer/schedule.py"},
    "click": {"api/cli"},
    "uvicorn": {"api/runtime.py", "api/bench/server.py"},
    "fastapi": {"api"},
    "starlette": {"api"},
    "anyio": {"api"},
    "backports": {"filestore/zstd.py", "api/ingest/sources.py"},
    "pydantic": {"filestore", "indexer", "api"},
    "pydantic_core": {"filestore/event.py", "api/params.py"},
    # Extras:
    "maxminddb": {"filestore/geo.py"},
    "psutil": {"api/capture/sampler.py"},
    "re2": {"indexer/detect/sigma.py"},
    "sigma": {"indexer/detect/sigma.py"},
    "sqlalchemy": {"api/capture/sql.py"},
    "structlog": {"api/capture/structlog_processor.py"},
}

OF_THE_WRITER = {"orjson", "pydantic", "pydantic_core"}
STANDARD = sys.stdlib_module_names | {"compression"}  # compression.zstd came with Python 3.14

# What changes files: as `open(...)`, as `os.NAME`, and as a method of pathlib's that nothing else has.
OS_CALLS = {
    *("open", "fdopen", "write", "pwrite", "writev", "ftruncate", "truncate", "fsync", "fdatasync", "sync"),
    *("rename", "replace", "unlink", "remove", "link", "symlink", "mkdir", "makedirs", "rmdir", "chmod", "fchmod"),
}
PATH_METHODS = {"write_text", "write_bytes", "unlink", "mkdir", "touch", "rmdir", "chmod", "symlink_to", "hardlink_to"}


def folder_files() -> set[str]:
    files = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file())
    return {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    return out


def test_the_wheel_holds_the_three_folders_under_stonelog_and_nothing_else(built: Path) -> None:
    """Every file of the folders lies in stonelog/, beside the dist-info; nothing stands at the top of site-packages."""
    (wheel,) = built.glob("*.whl")
    entries = {name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith("/")}
    info = {name for name in entries if name.split("/")[0].endswith(".dist-info")}
    assert entries - info == {f"stonelog/{name}" for name in folder_files()}
    assert {"METADATA", "WHEEL", "RECORD", "entry_points.txt"} <= {name.split("/")[-1] for name in info}


def test_stonelog_is_a_namespace_package(built: Path) -> None:
    """No stonelog/__init__.py is installed, so that other distributions can add to the namespace."""
    (wheel,) = built.glob("*.whl")
    entries = zipfile.ZipFile(wheel).namelist()
    assert "stonelog/__init__.py" not in entries
    assert {f"stonelog/{folder}/{name}" for folder in FOLDERS for name in ("__init__.py", "py.typed")} <= set(entries)


def test_the_sdist_holds_what_building_testing_and_reading_need(built: Path) -> None:
    """Code, tests, documents and samples are in the source distribution; environments and stores are not."""
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        entries = {member.name.split("/", 1)[1] for member in archive.getmembers() if member.isfile()}
    needed = {"pyproject.toml", "README.md", "LICENSE", "Makefile", "data/README.md", "data/samples/access.log"}
    assert needed | {"tests/test_packaging.py", "tests/dev/stonelog/__init__.py", "PKG-INFO"} <= entries
    assert folder_files() <= entries
    assert not [name for name in entries if name.startswith((".venv", "demo/", "dist/", "data/events"))]


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_stub_points_type_checkers_at_the_folder(folder: str) -> None:
    """In a checkout `stonelog.X` means the folder X, for type checkers too; both show the same names."""
    stub = ROOT / "tests" / "dev" / "stonelog" / folder / "__init__.pyi"
    assert stub.read_text(encoding="utf-8") == f"from {folder} import *\n"


def imports(tree: ast.AST) -> Iterator[tuple[int, str, list[str]]]:
    """Each import: how many dots it begins with, the module, the names taken from it (none for `import x`)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.level, node.module or "", [alias.name for alias in node.names]


def front_names(folder: str) -> set[str]:
    for node in TREES[f"{folder}/__init__.py"].body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    raise AssertionError(f"{folder}/__init__.py has no __all__")


def wrong_imports(name: str) -> Iterator[str]:
    own = name.split("/")[0]
    for level, module, names in imports(TREES[name]):
        first, *rest = module.split(".")
        if level > name.count("/"):
            yield f"{name}: a relative import climbs out of {own}/"
        elif level == 0 and first in FOLDERS:
            yield f"{name}: {module}, written without stonelog, is another package in an installation"
        elif level == 0 and first == "stonelog":
            if len(rest) != 1 or not names:
                yield f"{name}: {module}: write `from stonelog.FOLDER import NAME`"
            elif rest[0] not in BELOW[own]:
                yield f"{name}: {own} may not import {module}"
            elif strange := set(names) - front_names(rest[0]):
                yield f"{name}: {module} does not offer {', '.join(sorted(strange))}"


def test_every_section_of_settings_that_is_read_may_stand_in_the_file() -> None:
    """A table of stonelog.toml that some package asks for is not refused as a misspelt one; no other is known."""
    from stonelog.filestore.settings import SECTIONS

    calls = [node for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.Call)]
    asked = [call.args[2] for call in calls if getattr(call.func, "id", "") == "load_section"]
    assert {each.value for each in asked if isinstance(each, ast.Constant)} == set(SECTIONS)


def test_imports_go_one_way_and_through_the_front_door() -> None:
    """filestore <- indexer <- api, never back; across, only `from stonelog.FOLDER import NAME` of its `__all__`."""
    assert not [wrong for name in NAMES for wrong in wrong_imports(name)]


def test_each_dependency_has_its_place() -> None:
    """A dependency is imported in one module or folder, so that it can be replaced; every import is of a known one."""
    strays = []
    for name in NAMES:
        for level, module, _ in imports(TREES[name]):
            top = module.split(".")[0]
            if level or top == "stonelog" or top in STANDARD:
                continue
            places = IMPORTERS.get(top, set())
            if not any(name == place or name.startswith(f"{place}/") for place in places):
                strays.append(f"{name}: {module}")
    assert not strays


def test_modules_and_functions_can_be_seen_whole() -> None:
    """A module has at most 400 lines, a function at most 60."""
    long = [name for name, path in zip(NAMES, MODULES, strict=True) if path.read_bytes().count(b"\n") > 400]
    for name, tree in TREES.items():
        functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
        long += [f"{name}: {f.name}" for f in functions if (f.end_lineno or 0) - f.lineno >= 60]
    assert not long


def test_modules_say_what_they_are_and_what_they_offer() -> None:
    """Each module begins with a docstring and declares `__all__` (a `__main__` offers nothing)."""
    silent = [name for name, tree in TREES.items() if not ast.get_docstring(tree)]
    for name, tree in TREES.items():
        targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
        if "__all__" not in map(ast.unparse, targets) and not name.endswith("__main__.py"):
            silent.append(f"{name}: no __all__")
    assert not silent


def attributes(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Each `value.name` of the module, as text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield ast.unparse(node.value), node.attr


def test_S03_only_lf_ends_a_line() -> None:
    """Nothing splits text at U+2028, U+0085 and their like, as str.splitlines does."""
    assert not [name for name in NAMES if {"splitlines", "readlines"} & {attr for _, attr in attributes(TREES[name])}]


def file_changes(tree: ast.AST) -> set[str]:
    found = {f"os.{attr}" for value, attr in attributes(tree) if value == "os" and attr in OS_CALLS}
    found |= {attr for value, attr in attributes(tree) if value != "files" and attr in PATH_METHODS}
    names = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name))
    return found | {name.id for name in names if name.id == "open"}


def test_only_files_py_changes_files() -> None:
    """In filestore one module opens, writes, syncs, renames and removes: faults put in there are missed nowhere."""
    changing = {name: file_changes(tree) for name, tree in TREES.items() if name.startswith("filestore/")}
    assert "os.fdatasync" in changing.pop("filestore/files.py")
    assert not {name: found for name, found in changing.items() if found}


def test_a_program_that_only_writes_loads_no_database_server_or_watcher() -> None:
    """`import stonelog.filestore` brings in neither SQLite nor the libraries of the other two folders."""
    heavy = {"sqlite3", "asyncio", "ssl", "http.server", "socketserver"} | IMPORTERS.keys() - OF_THE_WRITER
    program = f"import sys, stonelog.filestore; print(sorted({heavy!r} & set(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
