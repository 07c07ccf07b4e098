"""Rules that count: so many events, or different values, of a key within a window."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import engine, event

FAILURES = 'form = "count"\nquery = "action:login_failed"\nby = ["ip_address"]\nwindow = "1m"\nat_least = 3\n'


def failed(seconds, address="203.0.113.7", **more):
    return event(seconds, action="login_failed", ip_address=address, **more)


def test_so_many_within_the_window_are_found_once(find):
    """The event that makes them enough brings the finding; those that follow within the window bring none."""
    found = find(FAILURES, [failed(seconds) for seconds in (0, 10, 20, 30, 40)])
    assert [(each.key, each.count, each.seqs) for each in found] == [({"ip_address": "203.0.113.7"}, 3, (1, 2, 3))]


def test_fewer_or_too_slow_ones_are_not(find):
    """What lies a window apart does not count together."""
    assert find(FAILURES, [failed(seconds) for seconds in (0, 30, 60, 90, 120)]) == []


def test_each_key_is_counted_by_itself(find):
    """Two addresses with two failures each are no three."""
    assert find(FAILURES, [failed(n, f"203.0.113.{n % 2}") for n in range(4)]) == []


def test_while_it_goes_on_it_is_told_once_a_window_with_the_count(find):
    """One failure a second for 200 seconds: a finding at the third, and then one a minute that counts those between."""
    found = find(FAILURES, [failed(n) for n in range(200)])
    assert [(each.first_seq, each.last_seq, each.count) for each in found] == [
        (1, 3, 3),
        (4, 63, 60),
        (64, 123, 60),
        (124, 183, 60),
    ]
    assert all(len(each.seqs) <= 100 for each in found)


def test_a_second_burst_much_later_is_counted_anew(find):
    """What came after the first finding and was not enough by itself is no part of the second."""
    found = find(FAILURES, [failed(seconds) for seconds in (0, 1, 2, 3, 1000, 1001, 1002)])
    assert [(each.count, each.seqs) for each in found] == [(3, (1, 2, 3)), (3, (5, 6, 7))]


def test_late_events_count_with_those_they_happened_with(find):
    """Events that come out of order count by their own time, as far as the bound goes."""
    assert len(find(FAILURES, [failed(50), failed(10), failed(30)])) == 1
    assert find(FAILURES, [failed(500), failed(10), failed(300)]) == []


def test_a_clock_far_ahead_hides_nothing(find):
    """After an event of another year the rule still sees the ordinary ones."""
    found = find(FAILURES, [failed(300_000_000), failed(1), failed(2), failed(3)])
    assert [each.seqs for each in found] == [(2, 3, 4)]


def test_events_without_the_key_are_passed_over(find):
    """Without an address, or with an empty one, there is nobody to count."""
    assert find(FAILURES.replace("ip_address", "username"), [failed(n, username="") for n in range(5)]) == []
    assert find(FAILURES.replace("ip_address", "username"), [failed(n) for n in range(5)]) == []


def test_different_values_are_counted(find):
    """Password spraying: one address, three users; the same user again adds nothing."""
    rule = FAILURES + 'distinct = "username"\n'
    assert find(rule, [failed(n, username="ada") for n in range(9)]) == []
    (found,) = find(rule, [failed(n, username=name) for n, name in enumerate(["ada", "bob", "ada", "eve"])])
    assert (found.count, found.seqs) == (3, (2, 3, 4))
    assert found.details == {"distinct": "username", "values": ["bob", "ada", "eve"]}


def test_a_flood_of_keys_is_bounded():
    """A hundred thousand addresses leave no more than the setting's number in mind."""
    at_work = engine(FAILURES, keys=50)
    for n in range(20_000):
        at_work.see(failed(n / 1000, f"2001:db8::{n:x}"), n + 1)
    assert len(at_work.state().rules["r"]["keys"]) == 50


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 300), st.sampled_from("ab")), max_size=40))
def test_the_first_finding_is_where_counting_plainly_says(moments):
    """For events in order the first finding of each key is at the first event that is the third within a minute."""
    moments = sorted(moments)
    at_work, firsts, expected = engine(FAILURES), {}, {}
    for seq, (second, name) in enumerate(moments, 1):
        for found in at_work.see(failed(second, f"203.0.113.{ord(name)}"), seq):
            firsts.setdefault(found.key["ip_address"], found.last_seq)
        before = [s for s, other in moments[:seq] if other == name and s > second - 60]
        if len(before) >= 3:
            expected.setdefault(f"203.0.113.{ord(name)}", seq)
    assert firsts == expected


@pytest.mark.parametrize("distinct", ["", 'distinct = "username"\n'])
def test_it_goes_on_after_a_restart(distinct):
    """Two failures before and one after are three; what was told before is not told again."""
    before = engine(FAILURES + distinct)
    for n in (1, 2):
        assert before.see(failed(n, username=str(n)), n) == ()
    after = engine(FAILURES + distinct, before.state())
    assert [found.seqs for found in after.see(failed(3, username="3"), 3)] == [(1, 2, 3)]
    again = engine(FAILURES + distinct, after.state())
    assert again.see(failed(4, username="4"), 4) == ()
