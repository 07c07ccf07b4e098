"""Rules of steps: A, then B, of the same key within a window."""

from .conftest import engine, event

RULE = """form = "sequence"
by = ["username"]
window = "10m"
steps = [{ query = "action:login_failed", at_least = 3 }, { query = "action:login outcome:success" }]
"""


def failed(seconds, name="ada"):
    return event(seconds, action="login_failed", username=name)


def success(seconds, name="ada"):
    return event(seconds, outcome="success", username=name)


def test_a_then_b_is_found(find):
    """Three failures and a success: the finding names all four events."""
    (found,) = find(RULE, [failed(1), failed(2), failed(3), success(4)])
    assert (found.key, found.seqs, found.count) == ({"username": "ada"}, (1, 2, 3, 4), 4)


def test_b_alone_or_first_is_not(find):
    """A success before the failures, or after too few of them, is ordinary."""
    assert find(RULE, [success(0), failed(1), failed(2), success(3), failed(4)]) == []


def test_another_key_or_too_late_is_not(find):
    """The steps belong to one user and to one window."""
    assert find(RULE, [failed(1), failed(2), failed(3), success(4, "bob")]) == []
    assert find(RULE, [failed(1), failed(2), failed(3), success(700)]) == []


def test_after_a_finding_it_begins_anew(find):
    """A second success needs failures of its own."""
    events = [failed(1), failed(2), failed(3), success(4), success(5), *map(failed, (700, 701, 702)), success(703)]
    assert [found.last_seq for found in find(RULE, events)] == [4, 9]


def test_the_query_holds_for_all_steps(find):
    """`query` narrows every step."""
    events = [failed(1), failed(2), failed(3), success(4)]
    assert find('query = "service:web"\n' + RULE, events) == []
    assert len(find('query = "service:web"\n' + RULE, [{**each, "service": "web"} for each in events])) == 1


def test_it_goes_on_after_a_restart():
    """Failures before and the success after a restart belong together."""
    before = engine(RULE)
    for n in (1, 2, 3):
        before.see(failed(n), n)
    assert [found.seqs for found in engine(RULE, before.state()).see(success(4), 4)] == [(1, 2, 3, 4)]
