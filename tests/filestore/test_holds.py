"""Legal holds."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from freezegun import freeze_time

from sealed import by_ten, names
from stonelog.filestore import CorruptLine, Store

FIRST, LAST = date(2026, 11, 20), date(2026, 11, 21)


def acts(store: Store) -> list[tuple[str, object]]:
    """What the store told of holds."""
    return [
        (event.action, (event.metadata or {}).get("hold"))
        for event in store.read()
        if (event.action or "").startswith("store_hold")
    ]


def test_a_hold_is_placed_listed_and_released(directory: Path) -> None:
    """Each in force until its release, also after a restart; ids are never used again; each act is an event."""
    with Store.open(directory) as store:
        one = store.upkeep.hold(FIRST, LAST, "case 1")
        two = store.upkeep.hold(LAST, LAST, "case 2: Größe")
        assert store.upkeep.holds() == [one, two]
        assert store.upkeep.release(two.id) == two
        with pytest.raises(KeyError, match=two.id):
            store.upkeep.release(two.id)
    with Store.open(directory) as store:
        assert store.upkeep.holds() == [one]
        three = store.upkeep.hold(FIRST, FIRST, "case 3")
        assert len({one.id, two.id, three.id}) == 3
        assert acts(store) == [
            ("store_hold_placed", one.id),
            ("store_hold_placed", two.id),
            ("store_hold_released", two.id),
            ("store_hold_placed", three.id),
        ]
        assert [one.covers(date(2026, 11, day), date(2026, 11, day)) for day in (19, 20, 21, 22)] == [
            False,
            True,
            True,
            False,
        ]


@pytest.mark.parametrize(
    ("first", "last", "reason"), [(LAST, FIRST, "x"), (FIRST, LAST, " "), (FIRST, LAST, "x" * 9999)]
)
def test_a_hold_needs_days_and_a_reason(directory: Path, first: date, last: date, reason: str) -> None:
    """Nothing is in force after the error."""
    with Store.open(directory) as store:
        with pytest.raises(ValueError, match="hold"):
            store.upkeep.hold(first, last, reason)
        assert store.upkeep.holds() == []
        assert acts(store) == []


def test_F11_with_a_damaged_record_of_holds_nothing_is_removed(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever byte of it was changed: retention, its plan, and new holds are refused."""
    monkeypatch.setenv("STONELOG_RETENTION_MAX_AGE_DAYS", "0.001")
    by_ten(directory, 3)
    with Store.open(directory) as store:
        store.upkeep.hold(FIRST, LAST, "case")
        store.upkeep.seal()
        before = names(directory)
        data = (directory / "holds.json").read_bytes()
        for place in range(0, len(data), 5):
            changed = bytearray(data)
            changed[place] ^= 0x04
            for wrong in (bytes(changed), data[:place]):
                (directory / "holds.json").write_bytes(wrong)
                for call in (store.upkeep.plan, store.upkeep.retain, store.upkeep.holds):
                    with pytest.raises(CorruptLine, match=r"holds\.json"):
                        call()
        with pytest.raises(CorruptLine):
            store.upkeep.hold(FIRST, LAST, "another")
        assert names(directory) == before


def test_a_hold_covers_what_was_written_on_its_days_wherever_it_stands(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a clock that was ahead and was set right, events of a day stand in a segment of a later one: held too."""
    with freeze_time("2026-11-23 12:00"), Store.open(directory) as store:
        store.append(category="api", action="read")
    monkeypatch.setenv("STONELOG_RETENTION_MAX_BYTES", "1")
    with freeze_time("2026-11-22 12:00"), Store.open(directory) as store:
        assert Path(store.append(category="security", action="evidence").file).name.startswith("2026-11-23")
        hold = store.upkeep.hold(date(2026, 11, 21), date(2026, 11, 22), "case 17")
    with freeze_time("2026-11-25 12:00"), Store.open(directory) as store:
        store.append(category="api", action="read")
        store.upkeep.seal()
        kept = store.upkeep.retain()
        assert (kept.removed, {each.reason for each in kept.kept}) == ([], {f"on hold {hold.id}"})
        assert "evidence" in [event.action for event in store.read()]


def test_S05_a_reason_is_kept_without_what_is_secret_in_it(directory: Path) -> None:
    """Neither the record of holds nor the event shows it."""
    with Store.open(directory) as store:
        hold = store.upkeep.hold(FIRST, LAST, "case 17, password=hunter2")
        assert hold.reason == "case 17, password=[redacted:password]"
    assert all(b"hunter2" not in path.read_bytes() for path in directory.rglob("*") if path.is_file())
