"""Place by address, from small files of MaxMind's format that the tests make."""

from __future__ import annotations

import builtins
import os
import time
from pathlib import Path
from typing import Any

import pytest

from mmdb import mmdb
from stonelog.filestore import InvalidSetting, geo
from stonelog.filestore.geo import Geo, PlaceSettings

pytest.importorskip("maxminddb", reason="places are looked up by maxminddb, an extra")

BERLIN = {
    "country": {"iso_code": "DE"},
    "subdivisions": [{"iso_code": "BE", "names": {"en": "State of Berlin", "de": "Berlin"}}],
    "city": {"names": {"en": "Berlin"}},
}
NETWORK = "81.2.69.0/24"
ADDRESS = "81.2.69.160"


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of whoever runs the tests reaches the settings, and the files are looked at with every call."""
    for key in list(os.environ):
        if key.startswith("STONELOG_PLACE_"):
            monkeypatch.delenv(key)
    monkeypatch.setattr(geo, "_LOOK_SECONDS", 0.0)


def place(directory: Path, *records: dict[str, Any], **settings: Any) -> Geo:
    """Looks addresses up in one file for each of the records, which are of NETWORK."""
    names = [f"{number}.mmdb" for number in range(len(records))]
    for name, record in zip(names, records, strict=True):
        (directory / name).write_bytes(mmdb({NETWORK: record}))
    return Geo(PlaceSettings(databases=names, **settings), directory)


def settled(look: Geo, address: str = ADDRESS) -> dict[str, Any]:
    """The place of the address after the files were looked at, and read if they changed."""
    for _ in range(2):  # the first time a thread may still be at what they were before
        look(address)
        if look._reading is not None:
            look._reading.join()
    return look(address)


def test_a_place_has_the_fields_of_an_event(tmp_path: Path) -> None:
    """Country, region and city of one file and the number of another are put together; absent is absent."""
    look = place(tmp_path, BERLIN, {"autonomous_system_number": 64500})
    assert look(ADDRESS) == {"country": "DE", "region": "State of Berlin", "city": "Berlin", "asn": 64500}
    assert look("8.8.8.8") == {}
    assert place(tmp_path, {"country": {"iso_code": "DE"}})(ADDRESS) == {"country": "DE"}


def test_the_first_database_that_knows_is_believed(tmp_path: Path) -> None:
    """A later one only adds what is missing."""
    look = place(tmp_path, {"country": {"iso_code": "FR"}}, BERLIN)
    assert look(ADDRESS) == {"country": "FR", "region": "State of Berlin", "city": "Berlin"}


def test_names_are_in_the_language_that_is_set(tmp_path: Path) -> None:
    """What has no name in it has its English one."""
    look = place(tmp_path, BERLIN, language="de")
    assert look(ADDRESS) == {"country": "DE", "region": "Berlin", "city": "Berlin"}


@pytest.mark.parametrize(
    ("record", "found"),
    [
        ({"country": "DE", "region": "Berlin", "city": "Mitte", "asn": "AS64500"}, ("DE", "Berlin", "Mitte", 64500)),
        ({"country_code": "DE", "country": "Germany", "asn": 7}, (None, None, None, 7)),
        ({"country_code": "DE"}, ("DE", None, None, None)),
        ({"traits": {"autonomous_system_number": 5}}, (None, None, None, 5)),
        ({"country": {"iso_code": "de"}, "city": {"names": []}, "asn": "ASx"}, (None, None, None, None)),
        ({"country": [], "city": "", "region": "r" * 201, "asn": "AS" + "9" * 10}, (None, None, None, None)),
        ({"subdivisions": [], "traits": "x", "city": {"names": {"fr": "Berlin"}}}, (None, None, None, None)),
        ("DE", (None, None, None, None)),
    ],
)
def test_other_arrangements_are_understood_or_passed_over(tmp_path: Path, record: Any, found: tuple[Any, ...]) -> None:
    """Flat records are read too; what an event could not hold is absent."""
    expected = dict(zip(("country", "region", "city", "asn"), found, strict=True))
    assert place(tmp_path, record)(ADDRESS) == {name: value for name, value in expected.items() if value is not None}


@pytest.mark.parametrize(
    "address",
    [
        *(
            "10.0.0.1",
            "192.168.1.1",
            "127.0.0.1",
            "169.254.1.1",
            "100.64.0.1",
            "224.0.0.1",
            "0.0.0.0",
            "255.255.255.255",
        ),
        *(
            "::1",
            "fe80::1",
            "fe80::1%eth0",
            "fd00::1",
            "ff02::1",
            "::",
            "::ffff:10.0.0.1",
            "",
            "x",
            "1.2.3",
            "8.8.8.8:53",
        ),
        *("1" * 70_000, "fe80::1%" + "x" * 70_000),
    ],
)
def test_private_addresses_and_other_texts_are_not_looked_up(tmp_path: Path, address: str) -> None:
    """Whatever the file says of them: here it says that all the world is Berlin."""
    for version in (4, 6):
        halves = ("0.0.0.0/1", "128.0.0.0/1") if version == 4 else ("::/1", "8000::/1")
        (tmp_path / "all.mmdb").write_bytes(mmdb(dict.fromkeys(halves, BERLIN), version=version))
        look = Geo(PlaceSettings(databases=["all.mmdb"]), tmp_path)
        assert look(address) == {}
        assert look("8.8.8.8" if version == 4 else "2001:4860::1")["country"] == "DE"


def test_mapped_addresses_are_those_that_they_map(tmp_path: Path) -> None:
    """A server that listens on IPv6 sees IPv4 clients so. IPv6 is unknown to a file of IPv4."""
    look = place(tmp_path, BERLIN)
    assert look(f"::ffff:{ADDRESS}") == look(ADDRESS) != {}
    assert look("2001:4860::1") == {}


def test_what_is_found_belongs_to_the_caller(tmp_path: Path) -> None:
    """Changing it changes nothing for the next one."""
    look = place(tmp_path, BERLIN)
    look(ADDRESS).clear()
    assert look(ADDRESS)["country"] == "DE"


@pytest.mark.parametrize("way", ["rename", "over"])
def test_a_replaced_file_is_read_again(tmp_path: Path, way: str) -> None:
    """Renamed over the old one, or written over it in place, which would end a process that had mapped it."""
    look = place(tmp_path, BERLIN)
    assert look(ADDRESS)["country"] == "DE"
    new = mmdb({NETWORK: {"country": {"iso_code": "FR"}}})
    if way == "rename":
        (tmp_path / "new").write_bytes(new)
        (tmp_path / "new").replace(tmp_path / "0.mmdb")
    else:
        with (tmp_path / "0.mmdb").open("r+b") as file:
            file.truncate(0)
            assert look("81.2.69.161")["country"] == "DE"
            file.write(new)
    assert settled(look) == settled(look) == {"country": "FR"}


@pytest.mark.parametrize("content", [b"", b"broken", None])
def test_a_broken_replacement_keeps_the_old_one(tmp_path: Path, caplog: Any, content: bytes | None) -> None:
    """It is told once, and the next good one is taken."""
    look = place(tmp_path, BERLIN)
    file = tmp_path / "0.mmdb"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    for _ in range(3):
        assert settled(look)["country"] == "DE"
    assert [record.message.count("0.mmdb") for record in caplog.records] == [1]
    file.write_bytes(mmdb({NETWORK: {"country": {"iso_code": "FR"}}}))
    assert settled(look) == {"country": "FR"}


def test_the_files_are_looked_at_once_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the clock that never jumps; between, a call asks the system nothing."""
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(geo, "_LOOK_SECONDS", 1.0)
    look = place(tmp_path, BERLIN)
    asked: list[float] = []
    state = geo._state
    monkeypatch.setattr(geo, "_state", lambda path: asked.append(clock[0]) or state(path))
    for seconds in (100.0, 100.9, 101.0, 101.1, 101.9, 102.5, 103.0):
        clock[0] = seconds
        look(ADDRESS)
    assert asked == [101.0, 102.5]


def test_a_damaged_part_is_found_late_and_told_once(tmp_path: Path, caplog: Any) -> None:
    """Opening tries only some addresses; a lookup that fails is empty."""
    whole = mmdb({"81.2.70.0/24": BERLIN, "81.2.71.0/24": BERLIN})
    (tmp_path / "part.mmdb").write_bytes(whole.replace(b"Germany", b"").replace(b"iso_code", b"\xff" * 8))
    look = Geo(PlaceSettings(databases=["part.mmdb"]), tmp_path)
    assert look("81.2.70.1") == look("81.2.71.1") == {}
    assert [record.message.count("is damaged") for record in caplog.records] == [1]


@pytest.mark.parametrize("kind", ["absent", "text", "empty", "directory", "pipe", "nul"])
def test_what_is_no_database_is_an_invalid_setting(tmp_path: Path, kind: str) -> None:
    """When the store opens, by name; never later, and nobody waits for a pipe."""
    file = tmp_path / kind
    if kind in ("text", "empty"):
        file.write_text("hello" * (kind == "text"))
    elif kind == "directory":
        file.mkdir()
    elif kind == "pipe":
        os.mkfifo(file)
    name = "a\0b" if kind == "nul" else kind
    with pytest.raises(InvalidSetting, match=r"\[place\] databases: .*(nul|a\x00b|" + kind + ")"):
        Geo(PlaceSettings(databases=[name]), tmp_path)


def test_without_the_library_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra: only who sets a database needs it."""
    there = builtins.__import__

    def absent(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "maxminddb":
            raise ImportError(name)
        return there(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(InvalidSetting, match=r"maxminddb is not installed; `pip install stonelog\[geo\]`"):
        place(tmp_path, BERLIN)


def test_without_a_file_in_memory_the_slower_reader_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no such files, the answers are the same."""
    expected = place(tmp_path, BERLIN)(ADDRESS)
    monkeypatch.delattr(os, "memfd_create")
    assert place(tmp_path, BERLIN)(ADDRESS) == expected


def test_settings_come_from_the_section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths begin at the store's directory; without a database there is nothing to look up with."""
    assert Geo.load(tmp_path) is None
    place(tmp_path, BERLIN, {"asn": 5})
    (tmp_path / "stonelog.toml").write_text('[place]\ndatabases = ["0.mmdb"]\nlanguage = "de"\n')
    look = Geo.load(tmp_path)
    assert look is not None and look(ADDRESS) == {"country": "DE", "region": "Berlin", "city": "Berlin"}
    for text in ('["0.mmdb", "1.mmdb"]', f"0.mmdb, {tmp_path / '1.mmdb'}"):
        monkeypatch.setenv("STONELOG_PLACE_DATABASES", text)
        look = Geo.load(tmp_path)
        assert look is not None and look(ADDRESS)["asn"] == 5
    for key, text in (("LANGUAGE", "english"), ("DATABASES", "[")):
        monkeypatch.setenv(f"STONELOG_PLACE_{key}", text)
        with pytest.raises(InvalidSetting, match=f"STONELOG_PLACE_{key}"):
            Geo.load(tmp_path)
