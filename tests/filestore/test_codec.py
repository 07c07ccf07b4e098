"""Event fields to the bytes of a line and back."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stonelog.filestore import MAX_LINE, EventTooLarge, InvalidEvent
from stonelog.filestore.codec import encode, loads, seal_line, stamp

SHARED = Path(__file__).parents[2] / "../shared/data"
RAW_ESCAPES = [0x7F, *range(0x80, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]

texts = st.text(st.characters(exclude_categories=["Cs"]))
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def naughty_strings() -> list[str]:
    """The Big List of Naughty Strings; empty where the shared data is absent."""
    path = SHARED / "unicode/blns.json"
    return list(json.loads(path.read_bytes())) if path.exists() else []


def sealed_by_hand(body: bytes, seq: int, synced: int) -> bytes:
    """The line as the description of the format has it, made without the codec."""
    head = b'{"seq":' + str(seq).encode() + b"," + body + b',"synced":' + str(synced).encode()
    return head + b',"hash":"' + hashlib.sha256(head).hexdigest()[:16].encode() + b'"}'


@given(
    st.dictionaries(texts, json_values, min_size=1, max_size=5), st.integers(1, 2**53 - 1), st.integers(0, 2**53 - 1)
)
def test_a_sealed_line_is_what_the_format_says(fields: dict[str, object], seq: int, synced: int) -> None:
    """`seq` first, then the body, `synced` and last the hash over all bytes before it; and it loads back equal."""
    fields = {"id": "01a2086e-3fdf-7613-b250-bc8bdf76bbf5", **fields}
    line = seal_line(encode(fields), seq, synced)
    assert line == sealed_by_hand(encode(fields), seq, synced)
    known = stamp(line)
    assert known is not None
    assert (known.seq, known.synced) == (seq, synced)
    plain = {key: value for key, value in json.loads(line).items() if key not in {"seq", "synced", "hash"}}
    assert plain == {key: value for key, value in fields.items() if key not in {"seq", "synced", "hash"}}


def test_F42_a_line_with_any_bit_flipped_has_no_stamp() -> None:
    """Every single flipped bit of a line is found by its hash or its form."""
    line = seal_line(encode({"message": "grün", "metadata": {"n": 1.5}}), 12, 9)
    for place in range(len(line)):
        for bit in range(8):
            changed = bytearray(line)
            changed[place] ^= 1 << bit
            assert stamp(bytes(changed)) is None, (place, bit)


def test_F02_no_proper_prefix_of_a_line_has_a_stamp() -> None:
    """A line cut at any byte is not taken for a line, even when its text contains the end of one."""
    inner = seal_line(encode({"message": "x"}), 1, 0).decode()
    line = seal_line(encode({"message": inner, "metadata": {"synced": 1, "hash": "0123456789abcdef"}}), 2, 1)
    assert stamp(line) is not None
    assert not any(stamp(line[:length]) for length in range(len(line)))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"\0" * 200,
        b'{"seq":1,"synced":0,"hash":"0123456789abcdef"}',
        sealed_by_hand(b'"a":1', 0, 0),
        sealed_by_hand(b'"a":1', -1, 0),
        b'{"seq":01,"a":1,"synced":0,"hash":"'
        + hashlib.sha256(b'{"seq":01,"a":1,"synced":0').hexdigest()[:16].encode()
        + b'"}',
        sealed_by_hand(b'"a":1', 1, 0) + b" ",
        b" " + sealed_by_hand(b'"a":1', 1, 0),
        sealed_by_hand(b'"a":1', 1, 0) + b"\r",
        b"\xef\xbb\xbf" + sealed_by_hand(b'"a":1', 1, 0),
        sealed_by_hand(b'"a":1', 10**16, 0),
    ],
)
def test_what_the_store_did_not_write_has_no_stamp(line: bytes) -> None:
    """A `seq` is a plain positive number of at most 16 digits, and nothing stands around the object."""
    assert stamp(line) is None


def test_S01_no_text_breaks_its_line() -> None:
    """Line ends, NULs and every other control stay inside the JSON of one line."""
    text = "".join(map(chr, range(0x20))) + "\x85\u2028\u2029"
    body = encode({"message": text, "metadata": {text: [text]}})
    assert not any(byte < 0x20 for byte in body)
    assert json.loads(b"{" + body + b"}") == {"message": text, "metadata": {text: [text]}}


@pytest.mark.parametrize("point", RAW_ESCAPES, ids=hex)
def test_S02_characters_that_steer_a_terminal_are_escaped(point: int) -> None:
    """DEL, C1 controls, line separators and direction controls never stand raw on a line, as key or as value."""
    character = chr(point)
    body = encode({"message": f"a{character}b", "metadata": {character: character * 3}})
    assert character.encode() not in body
    assert b"\\u%04x" % point in body
    assert json.loads(b"{" + body + b"}") == {"message": f"a{character}b", "metadata": {character: character * 3}}


def test_S02_their_neighbours_stay_as_they_are() -> None:
    """Only what is hostile is escaped: letters, emoji and other punctuation stand raw, so that grep finds them."""
    text = "~\xa0é\u2027\u202f\u2065\u206a\u1d7f\ufeff日本😀"
    assert text.encode() in encode({"message": text})


def test_S01_naughty_strings_come_back_equal_on_one_line() -> None:
    """Each of the Big List of Naughty Strings is one line without raw escapes, and loads back the same."""
    strings = naughty_strings()
    if not strings:
        pytest.skip("the shared data is absent")
    for text in strings:
        line = seal_line(encode({"message": text}), 1, 0)
        assert line.count(b"\n") == 0
        assert not any(chr(point).encode() in line for point in RAW_ESCAPES)
        assert json.loads(line)["message"] == text == loads(line)["message"]


def test_S04_the_longest_line_is_taken_and_one_byte_more_is_not() -> None:
    """A line has at most 65,535 bytes even with the highest `seq`; EventTooLarge tells the size it would have."""
    body = b""
    size = MAX_LINE
    while not body:
        size -= 1
        try:
            body = encode({"message": "a" * size})
        except EventTooLarge as error:
            assert error.limit == MAX_LINE
            assert error.size > MAX_LINE
    assert len(seal_line(body, 2**53 - 1, 2**53 - 1)) <= MAX_LINE
    assert len(seal_line(body, 2**53 - 1, 2**53 - 1)) > MAX_LINE - 3
    with pytest.raises(EventTooLarge) as caught:
        encode({"message": "a" * (size + 1)}, index=4)
    assert caught.value.index == 4


def test_what_stands_before_the_fields_counts_too() -> None:
    """`before` is put in front as it is, and is part of the length that is measured."""
    assert encode({"message": "x"}, before='"id":"7",') == b'"id":"7","message":"x"'
    with pytest.raises(EventTooLarge):
        encode({"message": "x"}, before='"id":"%s",' % ("7" * MAX_LINE))


def test_S04_escapes_count_in_the_length() -> None:
    """What grows by escaping is measured after it."""
    with pytest.raises(EventTooLarge):
        encode({"message": "\u202e" * 11_000})


@pytest.mark.parametrize("value", ["\ud800", ["a", "\udfff"], {"a": "x\ud800y"}])
def test_S04_lone_surrogates_are_refused_with_the_field_named(value: object) -> None:
    """Text that UTF-8 cannot hold is an InvalidEvent of its field."""
    with pytest.raises(InvalidEvent) as caught:
        encode({"id": "x", "message": value}, index=1)
    assert (caught.value.field, caught.value.index) == ("message", 1)
    assert "surrogates" in caught.value.allowed


@pytest.mark.parametrize("line", [b"", b"[]", b"5", b"null", b'{"a":NaN}', b'{"a":1', b"\xff", b'{"a":1}{}'])
def test_S04_loads_refuses_what_is_no_json_object(line: bytes) -> None:
    """Only one whole JSON object is the fields of an event; all else is a ValueError."""
    with pytest.raises(ValueError):
        loads(line)
