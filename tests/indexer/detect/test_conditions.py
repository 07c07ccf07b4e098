"""What a rule looks at: queries worked out in two parts say the same as in one."""

from hypothesis import given, settings
from hypothesis import strategies as st

from stonelog.indexer.detect.conditions import EVERYTHING, KNOWN, NOTHING, compiled, key_of, shortened, simplified
from stonelog.indexer.match import compile_filter
from stonelog.indexer.query import parse

LEAVES = [
    *("category:api", "category:security", "action:read", "action:d*", "outcome:failure", "level:>=warning"),
    *("username:ada", "status_code:[400 TO 499]", "status_code:>=500", "path:/a/*", "metadata.rows:>=5", "word"),
    *("username:*", "metadata.rows:*", "action:*"),
]
QUERIES = st.recursive(
    st.sampled_from(LEAVES),
    lambda part: st.one_of(
        st.tuples(part, part).map(lambda two: f"({two[0]} {two[1]})"),
        st.tuples(part, part).map(lambda two: f"({two[0]} OR {two[1]})"),
        part.map(lambda one: f"NOT ({one})"),
    ),
    max_leaves=8,
)
EVENTS = st.fixed_dictionaries(
    {"category": st.sampled_from(["api", "security"]), "action": st.sampled_from(["read", "delete"])},
    optional={
        "outcome": st.sampled_from(["failure", "success"]),
        "level": st.sampled_from(["info", "error"]),
        "username": st.sampled_from(["ada", "bob"]),
        "status_code": st.sampled_from([200, 404, 500]),
        "path": st.sampled_from(["/a/b", "/c"]),
        "message": st.sampled_from(["a word", "other"]),
        "metadata": st.fixed_dictionaries({"rows": st.sampled_from([1, 9, "9"])}),
    },
)


@settings(max_examples=300, deadline=None)
@given(QUERIES, EVENTS)
def test_what_is_left_says_the_same_as_the_whole(query, event):
    """For every query and event: known fields first and the rest after is the filter of the search itself."""
    known = {field: event[field] for field in KNOWN if field in event}
    left = simplified(parse(query), known)
    test = compiled(left)
    assert (test is None or test(event)) == compile_filter(parse(query))(event)


def test_known_fields_alone_can_decide():
    """A query about category and action is decided without looking at events."""
    query = parse("category:api action:read")
    assert simplified(query, {"category": "api", "action": "read"}) == EVERYTHING
    assert simplified(query, {"category": "api", "action": "delete"}) == NOTHING
    assert simplified(parse("category:api username:ada"), {"category": "security"}) == NOTHING


def test_answers_are_remembered_by_value_and_stay_right():
    """Many conditions on one field are asked once for each value, however many values come."""
    test = compiled(parse("user_agent:sqlmap OR user_agent:nikto OR user_agent:nmap"))
    agents = [f"agent {n} {'nikto' if n % 7 == 0 else ''}" for n in range(5_000)]
    for agent in [*agents, *agents]:
        assert test({"user_agent": agent}) == ("nikto" in agent)
    assert not test({})


def test_keys_are_the_values_of_all_fields():
    """One that is absent or empty makes no key; a path leads into metadata."""
    event = {"username": "ada", "ip_address": "", "metadata": {"a": {"b": 7}}}
    assert key_of(())(event) == ()
    assert key_of(("username",))(event) == ("ada",)
    assert key_of(("username", "metadata.a.b"))(event) == ("ada", 7)
    assert key_of(("ip_address",))(event) is key_of(("username", "country"))(event) is None


def test_long_values_are_kept_short():
    """Two long texts with one beginning stay two keys, of bounded length."""
    one, other = shortened("a" * 60_000), shortened("a" * 60_001)
    assert one != other
    assert len(one) < 200
