import json

import pytest

from stonelog.api.ingest.document import lines_or_document
from stonelog.api.ingest.sources import Line


def through(data, limit=10_000):
    lines, offset = [], 0
    for number, piece in enumerate(data.split(b"\n"), start=1):
        lines.append(Line(number, offset, piece))
        offset += len(piece) + 1
    return list(lines_or_document(iter(lines), limit))


def test_lines_pass_as_they_are():
    """A source whose first line is a JSON value is a source of lines, blank lines before it or not."""
    assert [line.data for line in through(b'\n \n{"a":1}\nbad\n{"a":2}')] == [b'{"a":1}', b"bad", b'{"a":2}']


def test_a_document_over_many_lines_is_one_line():
    """A pretty-printed document is one, with the place of its first line."""
    text = json.dumps({"a": [{"b": 1}, {}]}, indent=1).encode()
    (line,) = through(b"\n" + text + b"\n")
    assert json.loads(line.data) == {"a": [{"b": 1}, {}]}
    assert (line.number, line.offset, line.fault) == (2, 1, None)


@pytest.mark.parametrize("first", [b"bad", b'{"cut":', b"["])
def test_a_bad_first_line_does_not_hide_the_good_ones(first):
    """If another line is an object of its own, the source is lines."""
    assert [line.data for line in through(first + b'\n{"a":1}\n{"a":2}')] == [first, b'{"a":1}', b'{"a":2}']


def test_a_faulty_document_is_one_fault():
    """A document with an error is refused once, with line and column, not once for each of its lines."""
    (line,) = through(b'{\n "a": 1,\n "b": 2,\n}')
    assert line.fault == "line 4 column 1: expecting property name enclosed in double quotes, found '}'"


def test_a_document_above_the_limit_is_one_fault():
    """A document is bounded, and says so."""
    (line,) = through(b'{\n "a": [\n' + b"1,\n" * 1_000 + b"1]}", limit=100)
    assert "more than 100 bytes" in line.fault


def test_nothing_gives_nothing():
    """An empty or blank source has no lines."""
    assert through(b"") == through(b"\n \n") == []
