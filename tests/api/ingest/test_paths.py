import pytest

from stonelog.api.ingest.paths import found, nested, parse_path, without


@pytest.mark.parametrize(
    ("text", "path"),
    [("a", ("a",)), ("a.b", ("a", "b")), (r"a\.b", ("a.b",)), ("a[0].b", ("a", 0, "b")), ("a[1][2]", ("a", 1, 2)),
     ("[0].a", (0, "a")), (r"a\[0\]", ("a[0]",)), (r"a\\b", ("a\\b",)), ("@t.ключ", ("@t", "ключ"))],
)  # fmt: skip
def test_paths_are_read(text, path):
    """Dots descend, a backslash takes the next character as it is, brackets index."""
    assert parse_path(text) == path


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", "a[", "a[x]", "a]b", "a[-1]", "\\"])
def test_what_is_no_path_is_refused(text):
    """A path has no empty step and no bracket without a number."""
    with pytest.raises(ValueError, match="expected a path"):
        parse_path(text)


def test_found_follows_objects_and_lists():
    """What is not there, or null, is None."""
    record = {"a": [{"b.c": 1}, None], "d": None}
    assert found(record, ("a", 0, "b.c")) == 1
    assert [found(record, path) for path in [("a", 1, "x"), ("a", 9), ("a", "0"), ("d",), ("x", "y"), (0,)]] == [
        None
    ] * 6


def test_without_leaves_the_record_and_the_rest_alone():
    """Taken keys are gone from the copy, with objects this empties; list items stay; the record is not changed."""
    record = {"a": {"b": 1, "c": 2}, "d": {"e": {"f": 1}}, "g": [1, 2]}
    assert without(record, [("a", "b"), ("d", "e", "f"), ("g", 0), ("x", "y")]) == {"a": {"c": 2}, "g": [1, 2]}
    assert record == {"a": {"b": 1, "c": 2}, "d": {"e": {"f": 1}}, "g": [1, 2]}


def test_nested_makes_the_objects_on_the_way():
    """Objects that are not there yet are made."""
    target = {"a": {"x": 1}}
    nested(target, ("a", "b", "c"), 5)
    assert target == {"a": {"x": 1, "b": {"c": 5}}}
