import json

from hypothesis import given
from hypothesis import strategies as st

from stonelog.api.ingest.surplus import add, fitted, shortened
from stonelog.filestore import Event

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=60,
)


def nest(depth):
    value = 1
    for _ in range(depth):
        value = {"d": value}
    return value


@given(st.dictionaries(st.text(), JSON), st.integers(0, 60))
def test_whatever_is_fitted_can_be_stored(metadata, depth):
    """Metadata of any depth passes the event's check once fitted, and loses nothing but nulls at its top."""
    made = fitted({**metadata, "deep": nest(depth)})
    Event.check({"category": "api", "action": "read", "metadata": made})
    assert set(made) == {key for key, value in metadata.items() if value is not None} | {"deep"}


def test_what_is_too_deep_is_json_text():
    """The 16 levels that are allowed stay objects; what is below is text of JSON."""
    value = fitted(nest(20))
    for _ in range(15):
        value = value["d"]
    assert json.loads(value["d"]) == nest(4)


def test_nothing_left_is_no_metadata():
    """Nulls alone leave no empty object on the line."""
    assert fitted({"a": None}) is None


def test_only_the_longest_values_are_shortened():
    """Values are shortened from the longest on, with a mark, until the line fits; the others stay as they are."""
    fields = {"category": "api", "metadata": {"long": {"x": "é" * 50_000}, "mid": "m" * 20_000, "short": [1]}}
    made = shortened(fields)["metadata"]
    assert made["long"].startswith('{"x":"éé')
    assert made["long"].endswith("… (shortened: 50,008 characters)")
    assert (made["mid"], made["short"]) == ("m" * 20_000, [1])
    assert fields["metadata"]["long"] == {"x": "é" * 50_000}


def test_a_taken_name_gets_an_underscore():
    """Two values for one name are both kept."""
    metadata = {"a": 1, "a_": 2}
    add(metadata, "a", 3)
    assert metadata == {"a": 1, "a_": 2, "a__": 3}
