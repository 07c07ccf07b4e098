"""The table and the document of a run."""

import json
from dataclasses import replace

from stonelog.api.bench import Figure, Machine, Target, as_document, as_lines

METHOD = "Medians of 3 rounds."
MACHINE = Machine("CPython 3.11.9", "Linux 6.1", "Some CPU", 2, "ext4", "3.45.0")
FIGURES = [
    Figure.of("append", "events/s", [4000.0, 5000.0, 6000.0], "bare", [5000.0] * 3, Target("least", 0.6)),
    Figure.of("batches", "events/s", [90_000.0], "raw", [900_000.0], Target("least", 120_000, of="ours")),
    Figure.of("emit", "s", [8.4e-6], "logging", [0.0021], Target("most", 1)),
    Figure.of("memory", "B", [3.0 * 2**20], "limit", [2.0**25], note="9 dropped"),
]


def test_the_table_has_ours_the_reference_the_ratio_and_the_target():
    """Each figure is a line with units, and whether the target is met; without a target nothing is said."""
    lines = as_lines(MACHINE, FIGURES, METHOD)
    rows = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines]
    assert ["append", "5,000/s", "5,000/s", "bare", "1.00", ">= 0.6", "met"] in rows
    assert ["batches", "90,000/s", "900,000/s", "raw", "0.10", ">= 120,000/s", "MISSED"] in rows
    assert ["emit", "8.4 µs", "2.1 ms", "logging", "0.00", "<= 1", "met"] in rows
    assert ["memory", "3.0 MiB", "32.0 MiB", "limit", "0.09"] in rows
    assert "memory: 9 dropped" in lines


def test_a_note_is_told_once():
    """A measure with several references has its note below the table once."""
    lines = as_lines(MACHINE, [FIGURES[3]] * 2, METHOD)
    assert lines.count("memory: 9 dropped") == 1


def test_the_table_says_what_it_ran_on():
    """Python, kernel, processor, SQLite and the file system stand above it, how it was measured below."""
    first, *_, last = as_lines(MACHINE, FIGURES, METHOD)
    for word in ("CPython 3.11.9", "Linux 6.1", "Some CPU", "2 cores", "SQLite 3.45.0", "ext4"):
        assert word in first
    assert last == METHOD


def test_memory_is_no_disk():
    """On a tmpfs the reader is told that a sync does nothing there; on a disk nothing is said of it."""
    assert any("tmpfs is memory" in line for line in as_lines(replace(MACHINE, file_system="tmpfs"), FIGURES, METHOD))
    assert not any("is memory" in line for line in as_lines(MACHINE, FIGURES, METHOD))


def test_the_document_keeps_every_round():
    """It is JSON, with the machine, the size of the run, and each figure with its rounds and its verdict."""
    document = json.loads(json.dumps(as_document("append", MACHINE, FIGURES, events=500, rounds=3, seconds=1.26)))
    assert (document["benchmark"], document["events"], document["rounds"], document["seconds"]) == (
        "append",
        500,
        3,
        1.3,
    )
    assert document["machine"]["file_system"] == "ext4"
    first, second, *_ = document["figures"]
    assert first["our_rounds"] == [4000.0, 5000.0, 6000.0]
    assert (first["ours"], first["reference"], first["ratio"], first["met"]) == (5000.0, 5000.0, 1.0, True)
    assert second["target"] == {"at": "least", "limit": 120_000, "of": "ours"}
    assert document["figures"][3]["target"] is document["figures"][3]["met"] is None


def test_this_machine_is_described(tmp_path):
    """What is told of the machine is there."""
    machine = Machine.of(tmp_path)
    assert all((machine.python, machine.kernel, machine.cpu, machine.sqlite))
    assert machine.cores >= 1
