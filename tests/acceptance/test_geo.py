"""Places by MaxMind's own test files, whose answers stand beside them as JSON; and by the files that broke readers."""

import json
import shutil
import tarfile
import threading
from ipaddress import ip_network

import pytest

from stonelog.filestore import InvalidSetting, geo
from stonelog.filestore.geo import Geo, PlaceSettings

pytest.importorskip("maxminddb", reason="places are looked up by maxminddb, an extra")

TRIED = [f"{first}.{second}.69.160" for first in range(1, 224, 3) for second in (2, 128)]
TRIED += ["81.2.69.160", "1.1.1.1", "1.1.1.3", "2001:218::1", "2a02:cf40::1", "::1.1.1.1", "2001:4860::1"]


@pytest.fixture
def maxmind(shared, tmp_path):
    """The unpacked files."""
    with tarfile.open(shared("geo/maxmind_test.tar.gz")) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def networks(source):
    """The networks of a JSON file with their records; an IPv4 network written as IPv6 as what it is."""
    for network, record in ((key, value) for item in json.loads(source.read_text()) for key, value in item.items()):
        parsed = ip_network(network, strict=False)
        if parsed.version == 6 and parsed.prefixlen >= 96 and int(parsed.network_address) < 2**32:
            parsed = ip_network((int(parsed.network_address), parsed.prefixlen - 96))
        yield parsed, record


def expected(record):
    regions = record.get("subdivisions") or [{}]
    found = {
        "country": record.get("country", {}).get("iso_code"),
        "region": regions[0].get("names", {}).get("en"),
        "city": record.get("city", {}).get("names", {}).get("en"),
        "asn": record.get("autonomous_system_number"),
    }
    return {field: value for field, value in found.items() if value is not None}


@pytest.mark.parametrize("name", ["GeoIP2-City-Test", "GeoIP2-Country-Test", "GeoLite2-ASN-Test"])
def test_known_answers(maxmind, name):
    """The first and the last address of each network have the place that the source of the file says."""
    look = Geo(PlaceSettings(databases=[f"{name}.mmdb"]), maxmind / "test-data")
    records = dict(networks(maxmind / "source-data" / f"{name}.json"))
    checked = {4: 0, 6: 0}
    for network in records:
        for address in (network[0], network[-1]):
            holding = [each for each in records if each.version == address.version and address in each]
            narrowest = max(holding, key=lambda each: each.prefixlen)
            if address.is_global:
                assert look(str(address)) == expected(records[narrowest]), address
                checked[address.version] += 1
    assert min(checked.values()) >= 30, checked


def test_several_files_tell_together(maxmind):
    """City and ASN; in a language that only some places have a name in."""
    look = Geo(PlaceSettings(databases=["GeoLite2-ASN-Test.mmdb", "GeoIP2-City-Test.mmdb"]), maxmind / "test-data")
    assert look("89.160.20.112") == {
        "country": "SE",
        "region": "Östergötland County",
        "city": "Linköping",
        "asn": 29518,
    }
    look = Geo(PlaceSettings(databases=["GeoIP2-City-Test.mmdb"], language="fr"), maxmind / "test-data")
    assert look("81.2.69.160") == {"country": "GB", "region": "Angleterre", "city": "Londres"}


def test_no_damaged_file_does_harm(maxmind):
    """Each file that ever broke a reader, and each that has nothing to tell, is refused by name or knows nothing."""
    refused = []
    for file in sorted(maxmind.glob("*/**/*.mmdb")):
        try:
            look = Geo(PlaceSettings(databases=[str(file)]))
        except InvalidSetting as error:
            assert str(file) in str(error)
            refused.append(file.name)
        else:
            found = [look(address) for address in TRIED]
            assert all(set(each) <= {"country", "region", "city", "asn"} for each in found)
            assert "bad-data" not in file.parts or not any(found)
    assert len(refused) >= 10
    assert not {name for name in refused if name.startswith("Geo") and "Broken" not in name and "Invalid" not in name}


def test_files_are_replaced_while_threads_look(maxmind, monkeypatch):
    """Renamed and written over, whole and damaged: every answer is that of one of the files."""
    monkeypatch.setattr(geo, "_LOOK_SECONDS", 0.0)
    data, file = maxmind / "test-data", maxmind / "used.mmdb"
    sources = [
        data / "GeoIP2-City-Test.mmdb",
        data / "GeoIP2-City-Test-Invalid-Node-Count.mmdb",
        data / "GeoIP2-Country-Test.mmdb",
    ]
    shutil.copy(sources[0], file)
    look = Geo(PlaceSettings(databases=[str(file)]))
    answers, over = [], threading.Event()

    def ask():
        while not over.is_set():
            answers.append(tuple(look("81.2.69.160").values()))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for turn in range(24):
        if turn % 2:
            shutil.copyfile(sources[turn % 3], file)
        else:
            shutil.copy(sources[turn % 3], maxmind / "new")
            (maxmind / "new").replace(file)
    over.set()
    for thread in threads:
        thread.join()
    assert answers and set(answers) <= {("GB", "England", "London"), ("GB",)}
