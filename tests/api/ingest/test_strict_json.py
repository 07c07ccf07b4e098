import json
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stonelog.api.ingest.strict_json import DEPTH, JsonError, parse


def refusal(data):
    with pytest.raises(JsonError) as caught:
        parse(data)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'\xef\xbb\xbf{"a":1}', "column 1: starts with a byte order mark"),
        (b'{"a":"\xe9"}', "column 7: bytes that are not UTF-8"),
        (b'{"a":"\xed\xa0\x80"}', "column 7: bytes that are not UTF-8"),
        (b'{"a":NaN}', "column 6: NaN is not JSON"),
        (b'{"a":[1,-Infinity]}', "column 9: -Infinity is not JSON"),
        (b'{"a":{"b":1},"c":{"b":2,"b":3}}', "column 25: the key 'b' a second time"),
        (b'{"b":1,"\\u0062":2}', "column 8: the key 'b' a second time"),
        (b'{"a":"\\ud800"}', "column 6: text with a lone surrogate"),
        (b'{"\\uDFAA":0}', "column 2: text with a lone surrogate"),
        (b'{"a":18446744073709551616}', "column 6: an integer beyond 64 bits"),
        (b'{"a":-9223372036854775809}', "column 6: an integer beyond 64 bits"),
        (b'{"a":' + b"9" * 10_000 + b"}", "column 6: an integer beyond 64 bits"),
        (b'{"a":1e400}', "column 6: a number too large"),
        (b'{"a":1} x', "column 9: expected nothing more after the value, found 'x'"),
        (b'{"a":', "column 6: expected a value, found the end"),
        (b'{"a":\n{"b":1,\n"b":2}}', "line 3 column 1: the key 'b' a second time"),
        (b" ", "nothing there"),
        (b'{"a":1,}', "column 8"),
        (b"[" * 100_000, f"column {DEPTH + 1}: nested deeper than {DEPTH}"),
        (b"[" * 1_025 + b"]" * 1_025, f"column {DEPTH + 1}: nested deeper than {DEPTH}"),
    ],
)
def test_S04_what_json_readers_disagree_on_is_refused_with_its_column(data, said):
    """Each thing that two readers of JSON could understand differently is refused in one line naming the column."""
    assert said in refusal(data)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a":18446744073709551615,"b":-9223372036854775808}', {"a": 2**64 - 1, "b": -(2**63)}),
        ('{"ключ":"\\ud83d\\ude00 \U0001f600"}'.encode(), {"ключ": "\U0001f600 \U0001f600"}),
        (b'\t{"a":"\\\\ud800"}\r', {"a": "\\ud800"}),
        (b'{"a":["[[[","]"],"b":1e-400}', {"a": ["[[[", "]"], "b": 0.0}),
        (b'["' + b"[" * 2_000 + b'"]', ["[" * 2_000]),
        (b"[" * DEPTH + b"]" * DEPTH, None),
    ],
)
def test_strict_json_is_taken(data, value):
    """Numbers of 64 bits, surrogate pairs, brackets inside texts and nesting up to the limit are taken as they are."""
    parsed = parse(data)
    assert value is None or parsed == value


@given(
    st.recursive(st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(), lambda inner: st.lists(inner))
)
def test_what_json_writes_is_read_back(value):
    """Every value that json writes comes back equal, in ASCII and in UTF-8."""
    assert parse(json.dumps(value).encode()) == value
    assert parse(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_give_a_value_or_one_line(data):
    """Whatever the bytes, there is a value or a JsonError of one line, never another exception."""
    try:
        parse(data)
    except JsonError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("unit", [b'"', b'\\"', b"[", b'{"a":', b"1", b'"a":', b"-", b"\\"])
def test_S08_hostile_repetition_costs_its_length(unit):
    """256 KiB of one repeated token are refused or taken without backtracking."""
    for data in (unit * (262_144 // len(unit)), b'{"a":"' + unit * (262_144 // len(unit))):
        refusal(data + b"}x")


def members(shared, prefix):
    with tarfile.open(shared("json/JSONTestSuite_test_parsing.tar.gz")) as archive:
        for member in archive:
            name = member.name.rsplit("/", 1)[-1]
            if member.isfile() and name.startswith(prefix):
                yield name, archive.extractfile(member).read()


def test_no_n_file_of_the_json_suite_parses(shared):
    """Each of the 188 texts that must fail is refused with one line."""
    count = 0
    for _name, data in members(shared, "n_"):
        refusal(data)
        count += 1
    assert count == 188


def test_y_files_of_the_json_suite_parse_but_for_duplicate_keys(shared):
    """Of the 95 texts that must parse, only those with a key twice are refused, and by that name."""
    refused = {}
    count = 0
    for name, data in members(shared, "y_"):
        count += 1
        try:
            parse(data)
        except JsonError as error:
            refused[name] = str(error)
    assert count == 95
    assert set(refused) == {"y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json"}
    assert all("a second time" in reason for reason in refused.values())
