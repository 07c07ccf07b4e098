"""What a process and files take."""

import os

from stonelog.api.bench.usage import allocated, cores, cpu_seconds, peak_memory


def test_memory_is_counted_at_its_peak():
    """What was taken and given back still counts."""
    before = peak_memory()
    taken = bytearray(b"x") * before
    assert len(taken) == before
    del taken
    assert peak_memory() > before


def test_the_disk_that_files_take_is_counted_in_blocks(tmp_path):
    """Files and all files in directories count with the blocks they have; holes do not."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "full").write_bytes(os.urandom(10_000))
    with (tmp_path / "hole").open("wb") as file:
        file.truncate(1 << 30)
    assert 10_000 <= allocated([tmp_path]) < 1 << 20
    assert allocated([tmp_path / "hole"]) < 1 << 20


def test_processor_time_rises():
    """Work costs time of the processor; a core there is."""
    before = cpu_seconds()
    while cpu_seconds() == before:
        sum(range(10_000))
    assert cpu_seconds() > before
    assert cores() >= 1
