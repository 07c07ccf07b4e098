"""Errors by real means: limits, full and read-only file systems."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stonelog.filestore import DiskFull, Store

EVENT = {"category": "api", "action": "read"}


def append(store: Store) -> int:
    """The `seq` of one more event."""
    return store.append(EVENT).seq


def seqs(store: Store) -> list[int | None]:
    """The `seq`s of all events."""
    return [event.seq for event in store.read()]


def run(code: str, *given: object, wrap: tuple[str, ...] = ()) -> str:
    """What a Python program with these arguments prints."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [*wrap, sys.executable, "-c", code, *map(str, given)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_F30_a_file_size_limit_is_disk_full(directory: Path) -> None:
    """Under RLIMIT_FSIZE the kernel writes a part, then EFBIG: DiskFull, the file ends whole, smaller events go on."""
    out = run(
        "import resource, sys\n"
        "from stonelog.filestore import DiskFull, Store\n"
        "with Store.open(sys.argv[1]) as store:\n"
        "    first = store.append(category='api', action='read')\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))\n"
        "    try: store.append_many([dict(category='api', action='read', message='x' * 500)] * 20)\n"
        "    except DiskFull as error: print('full', error)\n"
        "    store.append(category='api', action='read')\n"
        "    print([event.seq for event in store.read()], open(first.file, 'rb').read().count(b'\\n'))\n",
        directory,
    )
    assert "full " in out
    assert out.endswith("[1, 2] 2\n")


def test_F29_a_full_file_system_is_disk_full_until_there_is_space(tmp_path: Path) -> None:
    """On a real file system of 64 KiB: DiskFull, reading works, nothing is half there, and with space it goes on."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)], capture_output=True, check=False
    )
    if not mounted or mounted.returncode:
        pytest.skip("needs root and a mount of tmpfs")
    try:
        ballast = place / "ballast"
        with Store.open(place / "data") as store:
            append(store)
            ballast.write_bytes(bytes(20_000))
            written = 1
            with pytest.raises(DiskFull):
                for _ in range(100):
                    store.append(EVENT, message="x" * 5000)
                    written += 1
            assert seqs(store) == list(range(1, written + 1))
            ballast.unlink()
            assert append(store) == written + 1
        with Store.open(place / "data") as store:
            assert not store.recovered
            assert len([event for event in store.read() if event.action == EVENT["action"]]) == written + 1
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_F41_a_directory_that_may_not_be_written_to_is_a_clear_error(tmp_path: Path) -> None:
    """Without the right to write, opening and appending are StoreReadOnly with the reason, and reading goes on."""
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("root needs setpriv to give up its rights")
    directory = tmp_path / "data"
    with Store.open(directory) as store:
        append(store)
    readable = [tmp_path, *tmp_path.parents]
    if os.geteuid() == 0 and not all(path.stat().st_mode & 0o001 for path in readable[3:]):
        pytest.skip("the temporary directory lies where only root gets to")
    modes = {path: path.stat().st_mode for path in readable[:3]}
    for path in readable[:3]:
        path.chmod(0o755)
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    wrap = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups") if os.geteuid() == 0 else ()
    try:
        out = run(
            "import sys\n"
            "from stonelog.filestore import Reader, Store, StoreReadOnly\n"
            "try: Store.open(sys.argv[1])\n"
            "except StoreReadOnly as error: print(error)\n"
            "print([event.seq for event in Reader(sys.argv[1]).read()])\n",
            directory,
            wrap=wrap,
        )
    finally:
        for path, mode in modes.items():
            path.chmod(mode)
    assert re.fullmatch(r".*: Permission denied; the store can be read with Reader or Index.*\n\[1\]\n", out), out
