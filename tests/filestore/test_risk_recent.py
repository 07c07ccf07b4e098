"""The counters of the short window: exact, bounded, and of canonical keys."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from stonelog.filestore.risk_recent import Counts, Recent
from stonelog.filestore.risk_signs import NOTHING, Signs

FAILED = Signs(("failed_login",), "failed", True, True)
SUCCESS = Signs((), "success", True, False)


def login(user: str = "ada", address: str = "203.0.113.7", **more: str) -> dict[str, Any]:
    return {"username": user, "ip_address": address, **more}


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["10.0.0.1", "10.0.0.2"]), st.booleans(), st.integers(0, 7)),
        max_size=40,
    )
)
@settings(max_examples=60, deadline=None)
def test_counts_are_those_of_a_list_of_all_events(events: list[tuple[str, str, bool, int]]) -> None:
    """Failures of the last ten seconds, by user and by address, and whether the address is new for the user."""
    recent, failures, places, now = Recent(10, 100), [], Counter(), 0
    for user, address, succeeds, seconds in events:
        now += seconds
        inside = [each for each in failures if each[2] > now - 10]
        known = {place for who, place in places if who == user}
        expected = Counts(
            sum(each[0] == user for each in inside),
            sum(each[1] == address for each in inside),
            bool(known) and address not in known,
        )
        assert recent.count(login(user, address), SUCCESS if succeeds else FAILED, now) == expected
        if succeeds:
            places[user, address] += 1
        else:
            failures.append((user, address, now))


def test_memory_is_bounded_and_the_oldest_go_first() -> None:
    """Whoever was used lately is still known after a flood of others."""
    recent = Recent(1000, 10, keys=100)
    recent.count(login("ada"), FAILED, 0)
    recent.count(login("ada"), SUCCESS, 0)
    for number in range(1000):
        other = login(f"user{number}", f"10.0.{number // 250}.{number % 250}", device_id=f"device{number}")
        recent.count(other, FAILED, 1)
        recent.count(other, SUCCESS, 1)
        if number % 50 == 0:
            recent.count(login("ada"), FAILED, 1)
    assert recent.count(login("ada"), SUCCESS, 2).user_failures == 11
    assert recent.count(login("user5"), SUCCESS, 2).user_failures == 0
    stores = (recent._by_user._times, recent._by_address._times, recent._addresses._values, recent._devices._values)
    assert [len(store) <= 100 for store in stores] == [True] * 4


def test_long_names_and_many_failures_take_no_more_room() -> None:
    """Of a name only the start is kept, of failures as many as matter, of addresses the last eight."""
    recent = Recent(1000, 10)
    for number in range(1000):
        event = login("u" * 60_000, f"10.0.{number // 250}.{number % 250}", device_id=f"{number}" + "d" * 60_000)
        recent.count({**event, "request_id": f"{number}" + "r" * 60_000}, FAILED, 1)
        recent.count(event, SUCCESS, 1)
    (times,) = recent._by_user._times.values()
    (addresses,) = recent._addresses._values.values()
    (devices,) = recent._devices._values.values()
    assert (len(times), len(addresses), len(devices)) == (11, 8, 8)
    assert {len(name) for name in (*recent._by_user._times, *devices, times[0][1])} == {128}


def test_the_usual_address_stays_known_among_others() -> None:
    """The eight that were used last are kept, however often they came before."""
    recent = Recent(10, 10)
    for number in range(50):
        recent.count(login(address="203.0.113.7"), NOTHING, 1)
        recent.count(login(address=f"10.0.0.{number}"), NOTHING, 1)
    assert recent.count(login(address="203.0.113.7"), SUCCESS, 1) == Counts()
    assert recent.count(login(address="10.0.0.3"), SUCCESS, 1) == Counts(new_address=True)


def test_an_ipv6_address_is_its_network() -> None:
    """The lower half changes by itself each day, and an attacker has all of it; a mapped address is the IPv4 one."""
    recent = Recent(10, 10)
    recent.count(login(address="2001:db8::1"), FAILED, 1)
    assert recent.count(login("bob", "2001:db8::ffff:2"), FAILED, 1).address_failures == 1
    assert recent.count(login("bob", "2001:db8:0:1::2"), FAILED, 1).address_failures == 0
    recent.count(login("cid", "203.0.113.7"), FAILED, 1)
    assert recent.count(login("dan", "::ffff:203.0.113.7"), FAILED, 1).address_failures == 1
    assert recent.count(login("eve", "fe80::1%eth0"), FAILED, 1).address_failures == 0
    assert recent.count(login("eve", "fe80::2%" + "x" * 9999), FAILED, 1).address_failures == 1


def test_nobody_from_nowhere_is_not_counted() -> None:
    """A failed login without user and address says nothing of the next one."""
    recent = Recent(10, 10)
    for event in ({}, {"username": "", "ip_address": ""}, {"device_id": "phone"}):
        for _ in range(3):
            assert recent.count(event, FAILED, 1) == recent.count(event, SUCCESS, 1) == Counts()


def test_a_user_is_known_by_id_where_there_is_no_name() -> None:
    """The name goes first, for that is what a failed login has."""
    recent = Recent(10, 10)
    recent.count({"user_id": "7"}, FAILED, 1)
    assert recent.count({"user_id": "7"}, FAILED, 1).user_failures == 1
    assert recent.count({"user_id": "7", "username": "ada"}, FAILED, 1).user_failures == 0
