"""The space that is left: the mark, the reserve, and what `emit` sheds."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from stonelog.filestore import files
from stonelog.filestore import space as module
from stonelog.filestore.layout import Layout
from stonelog.filestore.names import LEVELS
from stonelog.filestore.space import Space

MARK = 40_960


class Figures:
    """What the file system says of itself, as a test sets it."""

    def __init__(self) -> None:
        self.free = self.total = 1 << 30


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> Figures:
    """The file system has as much space as these say."""
    found = Figures()
    monkeypatch.setattr(files, "space", lambda path: (found.free, found.total))
    return found


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """The places of a store without an event."""
    (tmp_path / "events").mkdir()
    return Layout(tmp_path)


def shed(space: Space) -> list[str]:
    """The levels of which `emit` takes no event now."""
    bodies = dict.fromkeys(LEVELS, b'"id":"x","time":"y","level":"%s","message":"\\"level\\":\\"debug\\""')
    return [level for level, body in bodies.items() if space.sheds(body % level.encode())]


def test_space_is_looked_at_again_after_a_while_or_after_much_was_written(
    layout: Layout, figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is known is a tenth of a second old at most, and never by more bytes than an eighth of the mark."""
    monkeypatch.setattr(module, "SECONDS", 0.1)
    space = Space(layout, MARK)
    assert space.look_again(1000.0, 0)
    figures.free = 0
    assert not space.look_again(1000.09, MARK // 16)
    assert not space.look_again(1000.09, MARK // 16)
    assert not space.low
    assert space.look_again(1000.09, 1)
    assert space.low
    figures.free = 1 << 30
    assert not space.look_again(1000.18, MARK // 8)
    assert space.look_again(1000.20, 0)
    assert not space.low
    assert space.look_again(5.0, 0), "a clock that was set back"


def test_the_mark_is_the_setting_or_a_part_of_a_small_disk(layout: Layout, figures: Figures) -> None:
    """On a large file system `reserve_bytes`, on a small one a 32nd of it; with 0 nothing is ever low or shed."""
    space = Space(layout, MARK)
    space.look()
    assert space.mark == MARK
    figures.total, figures.free = 32 * 1000, 999
    space.look()
    assert (space.mark, space.low) == (1000, True)
    off = Space(layout, 0)
    figures.free = 0
    off.look()
    assert (off.low, shed(off)) == (False, [])


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (1.0, []),
        (0.99, ["debug"]),
        (0.79, ["debug", "info"]),
        (0.59, ["debug", "info", "notice"]),
        (0.39, ["debug", "info", "notice", "warning"]),
        (0.19, ["debug", "info", "notice", "warning", "error"]),
        (0.0, ["debug", "info", "notice", "warning", "error"]),
    ],
)
def test_the_lowest_levels_are_shed_first(layout: Layout, figures: Figures, part: float, expected: list[str]) -> None:
    """Below the mark one level more for each fifth of it that is used up; critical events never."""
    figures.free = int(MARK * part)
    space = Space(layout, MARK)
    space.look()
    assert shed(space) == expected


def test_shedding_ends_as_soon_as_there_is_space(layout: Layout, figures: Figures) -> None:
    """Without a commit in between, for those that are shed are not written and so nobody else looks."""
    figures.free = 0
    space = Space(layout, MARK)
    space.look()
    assert shed(space)
    figures.free = MARK
    assert shed(space) == []


def test_space_is_low_until_a_quarter_more_is_there(layout: Layout, figures: Figures) -> None:
    """Around the mark it does not become low and back again with each event."""
    space = Space(layout, MARK)
    space.set_aside()
    found = []
    for free in (MARK, MARK - 1, MARK, MARK * 5 // 4 - 1, MARK * 5 // 4, MARK):
        figures.free = free
        space.look()
        found.append(space.low)
    assert found == [False, True, True, True, False, False]


def test_a_file_system_that_does_not_answer_changes_nothing(
    layout: Layout, figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was known stays, and nothing is raised: the write itself will say what is wrong."""
    figures.free = 0
    space = Space(layout, MARK)
    space.look()

    def fail(path: Path) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(files, "space", fail)
    space.look()
    space.set_aside()
    assert (space.low, space.free, space.mark) == (True, 0, MARK)


def test_the_reserve_takes_real_space(layout: Layout, figures: Figures) -> None:
    """It is of the mark's size with all its blocks; made once, and again where a copy has holes or another size."""
    space = Space(layout, MARK)
    for length in (None, MARK, 1, 10 * MARK):
        if length is not None:
            layout.reserve.unlink()
            layout.reserve.touch()
            os.truncate(layout.reserve, length)
        space.set_aside()
        there = layout.reserve.stat()
        assert (there.st_size, there.st_blocks * 512 >= MARK) == (MARK, True)
    before = layout.reserve.stat().st_mtime_ns
    space.set_aside()
    assert layout.reserve.stat().st_mtime_ns == before


def test_a_reserve_is_made_without_the_call_that_macos_does_not_have(
    layout: Layout, figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There it is written out."""
    monkeypatch.delattr(os, "posix_fallocate")
    Space(layout, MARK).set_aside()
    assert layout.reserve.stat().st_blocks * 512 >= MARK


def test_the_reserve_is_not_made_where_it_would_use_up_what_is_left(layout: Layout, figures: Figures) -> None:
    """With less than twice its size free there is none, and none with the setting 0."""
    figures.free = 2 * MARK - 1
    Space(layout, MARK).set_aside()
    figures.free = 1 << 30
    Space(layout, 0).set_aside()
    assert not layout.reserve.exists()


def test_F46_a_link_in_place_of_the_reserve_is_not_followed(layout: Layout, figures: Figures, tmp_path: Path) -> None:
    """What it leads to stays as it is, and nothing is raised."""
    (tmp_path / "precious").write_text("x")
    layout.reserve.symlink_to(tmp_path / "precious")
    Space(layout, MARK).set_aside()
    assert (tmp_path / "precious").read_text() == "x"


@pytest.mark.parametrize("kind", ["file", "directory", "link"])
def test_F46_what_somebody_else_calls_reserve_is_left_alone(
    layout: Layout, figures: Figures, tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    """Whatever its length, neither made into a reserve nor removed when space is low; the log says so."""
    (tmp_path / "precious").write_bytes(b"mine" * 9)
    if kind == "file":
        layout.reserve.write_bytes(bytes(MARK) + b"mine")
    elif kind == "directory":
        layout.reserve.mkdir()
    else:
        layout.reserve.symlink_to(tmp_path / "precious")
    before = layout.reserve.lstat()
    space = Space(layout, MARK)
    space.set_aside()
    assert [(record.levelname, "reserve" in record.message) for record in caplog.records] == [("WARNING", True)]
    figures.free = MARK - 1
    with space.lent():
        figures.free = 1 << 30
    after = layout.reserve.lstat()
    assert (after.st_ino, after.st_size, after.st_mtime_ns) == (before.st_ino, before.st_size, before.st_mtime_ns)
    assert (tmp_path / "precious").read_bytes() == b"mine" * 9


def test_a_reserve_of_another_size_is_made_anew(layout: Layout, figures: Figures) -> None:
    """Empty, as a cut leaves it, or of an earlier setting: it holds nothing but zeros, and is ours."""
    for length in (0, MARK // 2, 2 * MARK, 3 << 20):
        layout.reserve.write_bytes(bytes(length))
        Space(layout, MARK).set_aside()
        assert layout.reserve.stat().st_size == MARK


def test_the_reserve_is_lent_while_space_is_low(layout: Layout, figures: Figures) -> None:
    """Within the block it is gone, and afterwards there again if there is room for it; also if the block fails."""
    space = Space(layout, MARK)
    space.set_aside()
    with Space(layout, MARK).lent():
        assert layout.reserve.exists()  # there is space enough
    for left in (1 << 30, 0):
        figures.free = 0
        with pytest.raises(ZeroDivisionError), Space(layout, MARK).lent():
            assert not layout.reserve.exists()
            figures.free = left
            raise ZeroDivisionError
        assert layout.reserve.exists() == bool(left)
    with Space(layout, MARK).lent():  # nothing is left to lend
        assert not layout.reserve.exists()


def test_lending_the_reserve_is_no_end_of_the_shortage(layout: Layout, figures: Figures) -> None:
    """Space is back when there is enough of it for the reserve too."""
    space = Space(layout, MARK)
    space.set_aside()
    figures.free = MARK // 2
    space.look()
    with Space(layout, MARK).lent():
        figures.free += MARK
        space.look()
        assert space.low
    figures.free = MARK * 9 // 4
    space.look()
    assert not space.low
    space.set_aside()
    assert layout.reserve.exists()
