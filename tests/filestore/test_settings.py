"""Settings from stonelog.toml and the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from stonelog.filestore import InvalidSetting, Store, StoreSettings, load_section


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of whoever runs the tests reaches the settings."""
    for key in StoreSettings.model_fields:
        monkeypatch.delenv(f"STONELOG_STORE_{key.upper()}", raising=False)


def write(directory: Path, text: str | bytes) -> None:
    """stonelog.toml holds the text."""
    (directory / "stonelog.toml").write_bytes(text if isinstance(text, bytes) else text.encode())


def test_without_a_file_the_defaults_stand(tmp_path: Path) -> None:
    """A store with no settings is durable; the directory need not even exist."""
    settings = load_section(StoreSettings, tmp_path / "absent", "store")
    assert settings == StoreSettings()
    assert settings.durability == "fsync"


def test_the_file_sets_and_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key of the section's table is taken, unless its STONELOG_ variable is set."""
    write(tmp_path, '[store]\nsegment_bytes = 10\ndurability = "os"\n[jobs]\nx = 1\n')
    monkeypatch.setenv("STONELOG_STORE_SEGMENT_BYTES", "20")
    settings = load_section(StoreSettings, tmp_path, "store")
    assert (settings.segment_bytes, settings.durability) == (20, "os")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[store]\nsegment_bytes = 0\n", "[store] segment_bytes = 0"),
        ("[store]\nsegmentbytes = 1\n", "there is no such setting; known are durability, segment_bytes, emit_events"),
        ("[store]\nsegmentbytes = 1\n", "did you mean segment_bytes?"),
        ('[store]\ndurability = "maybe"\n', "'fsync', 'os' or 'none'"),
        ("[store]\nlock_seconds = inf\n", "lock_seconds = inf"),
        ("[store]\nlock_seconds = nan\n", "lock_seconds = nan"),
        ("[store]\nlock_seconds = 0\n", "lock_seconds = 0"),
        ("store = 5\n", "expected a table [store], found 5"),
        (
            "[retnetion]\n",
            "[retnetion]: there is no such table; known are [store], [seal], [retention], [redaction], [risk], [place]",
        ),
        ("[retnetion]\nmax_bytes = 1\n[store]\n", "did you mean [retention]?"),
        ("[Store]\n", "did you mean [store]?"),
        ("[[sea]]\n", "sea = [{}]: a setting must stand in its table"),
        ("[a.store]\n", "[a]: there is no such table; known are [store], [seal], [retention], [redaction]"),
        ("segment_bytes = 5\n[store]\n", "segment_bytes = 5: a setting must stand in its table; known are [store], "),
        ("[store\n", "cannot be read as TOML"),
        (b"\xff\xfe", "cannot be read as TOML"),
        (b"\xef\xbb\xbf[store]\n", "cannot be read as TOML"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, text: str | bytes, told: str) -> None:
    """InvalidSetting names the file, the key and what it can be."""
    write(tmp_path, text)
    with pytest.raises(InvalidSetting) as caught:
        load_section(StoreSettings, tmp_path, "store")
    assert told in str(caught.value)
    assert str(tmp_path / "stonelog.toml") in str(caught.value)


def test_an_unknown_table_keeps_a_store_from_opening_and_from_being_pruned(directory: Path) -> None:
    """Whatever section is asked for: a misspelt table was meant to change something."""
    with Store.open(directory) as store:
        write(directory, "[retentoin]\nmax_age_days = 400\n")
        for work in (store.upkeep.retain, store.upkeep.seal, lambda: Store.open(directory)):
            with pytest.raises(InvalidSetting, match=r"\[retentoin\].*did you mean \[retention\]"):
                work()


def test_a_wrong_variable_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """InvalidSetting names the variable when the value came from it."""
    monkeypatch.setenv("STONELOG_STORE_SEGMENT_BYTES", "many")
    with pytest.raises(InvalidSetting, match=r"^STONELOG_STORE_SEGMENT_BYTES = many: "):
        load_section(StoreSettings, tmp_path, "store")


def test_a_directory_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    """What cannot be read is an InvalidSetting, not silently the defaults."""
    (tmp_path / "stonelog.toml").mkdir()
    with pytest.raises(InvalidSetting, match="cannot be read"):
        Store.open(tmp_path)


def test_an_unknown_durability_in_the_call_is_refused_before_anything_is_made(directory: Path) -> None:
    """`durability` is one of three words; with another there is no store."""
    with pytest.raises(InvalidSetting, match="durability = sometimes: expected one of fsync, os, none"):
        Store.open(directory, durability="sometimes")  # type: ignore[arg-type]
    assert not directory.exists()


def test_the_call_wins_over_the_settings(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`durability` given to open is what receipts say, other settings stay."""
    monkeypatch.setenv("STONELOG_STORE_DURABILITY", "none")
    monkeypatch.setenv("STONELOG_STORE_SEGMENT_BYTES", "1")
    with Store.open(directory, durability="os") as store:
        assert store.append(category="api", action="read").durability == "os"
        assert store.settings.segment_bytes == 1
    with Store.open(directory) as store:
        assert store.append(category="api", action="read").durability == "none"


def test_a_mistyped_variable_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable of the section that names no setting is an error: it was meant to change something."""
    monkeypatch.setenv("STONELOG_STORE_DURABILTY", "none")
    with pytest.raises(InvalidSetting, match="STONELOG_STORE_DURABILTY = none: there is no such setting; known are"):
        load_section(StoreSettings, tmp_path, "store")
