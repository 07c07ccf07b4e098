"""Sealing and pruning killed with SIGKILL at random moments, while another process writes."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from daylife import forms_of, pruned_seqs
from stonelog.filestore import Reader, Store

# Imports once, then forks one that rolls, seals and prunes until it is killed, for each line it is told.
NURSERY = """
import os, signal, sys
from stonelog.filestore import Store, StoreLocked
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    pid = os.fork()
    if not pid:
        store = Store.open(line.strip())
        for turn in range(1000):
            store.append_many([dict(category="api", action="read", message="x" * 200)] * 40)
            store.roll(early=True)
            store.upkeep.seal()
            store.upkeep.retain()
    print(pid, flush=True)
"""


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_F18_F20_killed_at_random_while_sealing_and_pruning(
    directory: Path, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each kill a reader sees each acknowledged event once or finds it pruned, a writer that goes on is not
    disturbed, and the next upkeep tidies up."""
    for name, value in (("SEAL_CODEC", codec), ("RETENTION_MAX_BYTES", "100000")):
        monkeypatch.setenv(f"STONELOG_{name}", value)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    chance, acknowledged, told = random.Random(codec), {}, []
    command = [sys.executable, "-c", NURSERY]
    left = 0
    with (
        Store.open(directory) as store,
        subprocess.Popen(
            command, env=environment, text=True, bufsize=1, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as nursery,
    ):
        assert nursery.stdin is not None
        assert nursery.stdout is not None
        for turn in range(25):
            nursery.stdin.write(f"{directory}\n")
            pid = int(nursery.stdout.readline())
            for number in range(chance.randrange(1, 40)):
                receipt = store.append(category="api", action="x", message=f"{turn} {number}")
                acknowledged[receipt.seq] = f"{turn} {number}"
            os.kill(pid, 9)
            left += any(forms.plain and forms.archives for forms in forms_of(directory)) or any(
                path.suffix == ".tmp" for path in directory.rglob("*")
            )
            lines = [line.seq for line in Reader(directory).lines(on_corrupt=told.append)]
            assert lines == sorted(set(lines))
            assert not set(acknowledged) - set(lines) - pruned_seqs(directory)
    assert not told, told[:3]
    with Store.open(directory) as store:
        assert not store.recovered.faults
        store.upkeep.seal()
        store.upkeep.retain()
        pruned = pruned_seqs(directory)
        events = {event.seq or 0: event.message for event in store.read()}
    assert sorted(set(events) | pruned) == list(range(1, max(events) + 1))
    assert not set(events) & pruned
    assert {seq: text for seq, text in acknowledged.items() if seq not in pruned}.items() <= events.items()
    assert [forms.plain for forms in forms_of(directory)][:-1] == [False] * (len(forms_of(directory)) - 1)
    assert not list(directory.rglob("*.tmp"))
    print(f"{len(acknowledged)} events, {len(pruned)} of {max(events)} pruned, {left} of 25 kills left something")
