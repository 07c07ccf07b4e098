"""What must hold of a store with sealed and pruned days after a cut: the promises of the life of a day."""

from __future__ import annotations

from pathlib import Path

from powercut import State
from stonelog.filestore import Reader, Store
from stonelog.filestore.layout import Forms, Layout, Listing
from stonelog.filestore.manifest import read_manifest
from stonelog.filestore.pruned import read_pruned

__all__ = ["HELD", "IN_FORCE", "PRUNABLE", "RELEASED", "check_life", "forms_of"]

PRUNABLE = "prunable"
"""A claim (PRUNABLE, seq): retention was asked for, and may take this event."""
HELD = "held"
"""A claim (HELD, seq): the event lies under a hold that was placed."""
IN_FORCE = "in force"
"""A claim (IN_FORCE, id): the hold was placed and stands."""
RELEASED = "released"
"""A claim (RELEASED, id): the hold was released."""


def forms_of(directory: Path) -> list[Forms]:
    """The forms in which the segments stand."""
    return list(Listing(path.name for path in (directory / "events").iterdir()))


def check_life(state: State, root: Path) -> None:
    """Every promise holds of the state: as a reader sees it before anybody writes, after opening, and after upkeep."""
    state.write_to(root)
    directory = root / "store"
    _check_raw(state, directory)
    with Store.open(directory) as store:
        assert not store.recovered.faults, f"false alarm: {store.recovered.faults}"
        _check_events(state, directory)
        _check_tidy(directory)
        _check_holds(state, store)
        receipt = store.append(category="api", action="next")
        assert [event.seq for event in store.read(receipt.seq - 1)] == [receipt.seq]
        assert receipt.seq == max(pruned_seqs(directory) | {receipt.seq})
    before = forms_of(directory)
    with Store.open(directory) as store:
        assert not store.recovered, "the second opening found something to do again"
        assert forms_of(directory) == before, "the second opening changed something again"
        store.upkeep.seal()
        plain = {forms.name for forms in forms_of(directory) if forms.plain}  # the event that tells of it may roll
        assert not plain & {forms.name for forms in before[:-1]}, "not sealed"
        store.upkeep.retain()
        _check_events(state, directory)
        _check_tidy(directory)
        _check_holds(state, store)


def pruned_seqs(directory: Path) -> set[int]:
    """The `seq`s that the record of what was removed names."""
    return {seq for first, last in read_pruned(Layout(directory), strict=True).ranges for seq in range(first, last + 1)}


def _check_raw(state: State, directory: Path) -> None:
    """A reader sees each event once, in order, before the store is opened; what it does not see was pruned."""
    lines = [line.seq for line in Reader(directory).lines(on_corrupt=lambda error: None)]
    assert lines == sorted(set(lines)), f"a reader sees them out of order or twice: {lines}"
    lost = {seq for seq, _ in state.acknowledged} - set(lines) - pruned_seqs(directory)
    assert not lost, f"a reader does not see {lost}"


def _check_events(state: State, directory: Path) -> None:
    """Acknowledged events are there once, with their `seq`; missing is only what was pruned, which was asked for."""
    pruned = pruned_seqs(directory)
    told: list[object] = []
    lines = [line.seq for line in Reader(directory).lines(on_corrupt=told.append)]
    events = list(Reader(directory).read())
    assert not told, f"false alarm: {told}"
    assert lines == [event.seq for event in events]
    last = max([*lines, *pruned], default=0)
    assert lines == [seq for seq in range(1, last + 1) if seq not in pruned], f"{lines}, pruned {pruned}"
    found = [(event.seq, event.message) for event in events if event.action == "x"]
    expected = {(seq, message) for seq, message in state.acknowledged if seq not in pruned}
    assert expected <= set(found), f"lost: {expected - set(found)}"
    assert len({message for _, message in found}) == len(found), f"doubled: {found}"
    assert {message for _, message in found} <= set(state.submitted), f"invented: {found}"
    claimed = {claim for claim in state.claims if claim[0] in (PRUNABLE, HELD)}
    assert pruned <= {seq for kind, seq in claimed if kind == PRUNABLE}, f"pruned unasked: {pruned}"
    assert not pruned & {seq for kind, seq in claimed if kind == HELD}, f"pruned though held: {pruned}"


def _check_tidy(directory: Path) -> None:
    """No temporary file is left, and each segment has one form: plain, or an archive with a manifest that fits it."""
    left = [path.name for path in (*directory.iterdir(), *(directory / "events").iterdir()) if path.suffix == ".tmp"]
    assert not left, f"left over: {left}"
    layout = Layout(directory)
    assert not read_pruned(layout).removing
    for forms in forms_of(directory):
        assert forms.plain != bool(forms.archives) == forms.manifest, f"more or less than one form: {forms}"
        if forms.archives:
            manifest = read_manifest(layout.manifest(forms.name))
            assert manifest is not None
            assert manifest.archive_bytes == layout.archive(forms.name, forms.archives[0]).stat().st_size


def _check_holds(state: State, store: Store) -> None:
    """A hold that was placed is in force, one that was released is not."""
    holds = {hold.id for hold in store.upkeep.holds()}
    assert {value for kind, value in state.claims if kind == IN_FORCE} <= holds
    assert not {value for kind, value in state.claims if kind == RELEASED} & holds
