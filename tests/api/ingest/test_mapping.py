import json
from datetime import UTC

import pytest

from stonelog.api.ingest.mapping import load_map
from stonelog.filestore import InvalidSetting

MAP = r"""
[fields]
time = "timestamp"
level = "severity"
action = "event"
username = ["user.name", "actor"]
status_code = "http.code"
response_time_ms = "http.took"
tags = "labels"
entity_id = 'order\.id'
trace_id = "trace"
"metadata.order" = "items[0].id"
[constants]
category = "api"
service = "shop"
"metadata.source" = "shop-1"
[values.level]
LOUD = "error"
"*" = "notice"
"""
BASE = '[constants]\ncategory = "api"\naction = "read"\n'


def load(tmp_path, text):
    path = tmp_path / "map.toml"
    path.write_text(text, encoding="utf-8")
    return load_map(path)


def test_a_foreign_object_becomes_an_event(intake, tmp_path):
    """Paths, fallbacks, constants, translated values and coercions together; what is left goes to metadata."""
    path = tmp_path / "map.toml"
    path.write_text(MAP)
    line = {
        "timestamp": "2026-11-23 13:00:00+01:00", "severity": "LOUD", "event": "Order-Placed", "actor": 17,
        "user": {"name": None, "mail": "a@b"}, "http": {"code": "201", "took": "12.5"}, "labels": "new",
        "order.id": 7, "trace": "5B8EFFF798038103D269B633813FC60C", "items": [{"id": "i1"}], "source": "theirs",
        "none": None,
    }  # fmt: skip
    result = intake(json.dumps(line).encode(), mapping=path)
    assert (result.appended, result.first_reason) == (1, None)
    given_by_the_store = ("seq", "id", "risk_score", "risk_reasons", "synced", "hash")
    made = {key: value for key, value in intake.events()[0].items() if key not in given_by_the_store}
    assert made == {
        "time": "2026-11-23T12:00:00.000000Z", "level": "error", "category": "api", "action": "order_placed",
        "entity_id": "7", "username": "17", "status_code": 201, "response_time_ms": 12.5, "service": "shop",
        "trace_id": "5b8efff798038103d269b633813fc60c", "tags": ["new"],
        "metadata": {
            "order": "i1", "source": "shop-1", "source_": "theirs", "user": {"name": None, "mail": "a@b"},
            "items": [{"id": "i1"}],
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("table", "value", "instant"),
    [
        ("", '"2026-11-23T13:00:00+01:00"', "2026-11-23T12:00:00+00:00"),
        ('zone = "Europe/Berlin"', '"2026-11-23T13:00:00"', "2026-11-23T12:00:00+00:00"),
        ('format = "unix"', "1700000000.5", "2023-11-14T22:13:20.500000+00:00"),
        ('format = "unix_ms"', '"1700000000123"', "2023-11-14T22:13:20.123000+00:00"),
        ('format = "unix_us"', "1700000000123456", "2023-11-14T22:13:20.123456+00:00"),
        ('format = "unix_ns"', "1700000000123456789", "2023-11-14T22:13:20.123456+00:00"),
        ('format = "%d/%b/%Y:%H:%M:%S %z"', '"14/Nov/2023:23:13:20 +0100"', "2023-11-14T22:13:20+00:00"),
        ('format = "%Y%m%d %H%M"\nzone = "America/New_York"', '"20260704 0830"', "2026-07-04T12:30:00+00:00"),
    ],
)
def test_times_of_every_format_are_read(tmp_path, table, value, instant):
    """Each time format names the instant; a zone counts where the text has no offset."""
    mapping = load(tmp_path, f'{BASE}[fields]\ntime = "t"\n[time]\n{table}\n')
    moment = mapping.fields_of({"t": json.loads(value)})["time"]
    assert moment.astimezone(UTC).isoformat() == instant


def test_a_time_of_another_format_is_rejected_by_name(intake, tmp_path):
    """A line whose time is not of the map's format is a bad line, not an event of now."""
    path = tmp_path / "map.toml"
    path.write_text(f'{BASE}[fields]\ntime = "t"\n[time]\nformat = "unix"\n')
    result = intake(b'{"t":"yesterday"}\n{"t":5}\n', mapping=path)
    assert (result.appended, result.rejected) == (1, 1)
    assert "time: 'yesterday' is not of the map's time format, 'unix'" in result.first_reason


def test_the_rest_can_be_dropped(tmp_path):
    """[rest] into = "drop" keeps only what the map names."""
    mapping = load(tmp_path, f'{BASE}[fields]\nmessage = "m"\n[rest]\ninto = "drop"\n')
    assert mapping.fields_of({"m": True, "x": 1}) == {"message": "true", "category": "api", "action": "read"}


@pytest.mark.parametrize(
    ("given", "level"),
    [
        ("WARN", "warning"),
        ("Err", "error"),
        ("FATAL", "critical"),
        ("trace", "debug"),
        (" Info ", "info"),
        ("emerg", "critical"),
    ],
)
def test_levels_are_understood_whatever_their_spelling(tmp_path, given, level):
    """Common names of levels mean ours."""
    mapping = load(tmp_path, f'{BASE}[fields]\nlevel = "l"\n')
    assert mapping.fields_of({"l": given})["level"] == level


def test_what_cannot_be_taken_is_rejected_with_the_field(intake, tmp_path):
    """A value that no coercion fits reaches the check of the event, which names it."""
    path = tmp_path / "map.toml"
    path.write_text(f'{BASE}[fields]\nstatus_code = "s"\nip_address = "i"\n')
    result = intake(b'{"s":"abc"}\n{"i":"host"}\n{"s":" 404 ","i":"::1"}\n', mapping=path)
    assert [reason.split(":")[0] for _, _, reason in intake.rejects(result)] == ["status_code", "ip_address"]
    assert intake.events()[0]["status_code"] == 404


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = [", "the map is not TOML"),
        ('[fields]\nusrname = "a"\n', r"fields\.usrname: there is no such field; did you mean username\?"),
        ('[fields]\nseq = "a"\n', "fields.seq: it is given by the store"),
        ('[fields]\nmessage = "a..b"\n', "fields.message: expected a path"),
        ("[fields]\nmessage = []\n", "fields.message: expected a path"),
        ("[fields]\nmessage = 5\n", "fields.message: expected a path"),
        ('[field]\nmessage = "a"\n', "field: there is no such key"),
        ('[fields]\nmessage = "a"\n', "category: neither"),
        (BASE + '[values.level]\na = "info"\n', "values.level: .fields. does not give level"),
        (BASE + '[time]\nformat = "iso"\n', "time.format: expected"),
        (BASE + '[time]\nformat = "%d.%m. %H:%M"\n', "time.format: a pattern without the year"),
        (BASE + '[time]\nzone = "Mars/Olympus"\n', "time.zone: expected an IANA name"),
        (BASE + '[rest]\ninto = "message"\n', "rest.into: "),
    ],
)
def test_a_faulty_map_is_one_error_that_names_the_key(tmp_path, text, said):
    """A map is checked before anything is read; the error is one line with file and key."""
    with pytest.raises(InvalidSetting, match=said) as caught:
        load(tmp_path, text)
    assert "map.toml: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_map_that_is_not_there_is_named(tmp_path):
    """A missing map is an error with its path."""
    with pytest.raises(InvalidSetting, match=r"no\.toml: the map cannot be read: No such file"):
        load_map(tmp_path / "no.toml")
