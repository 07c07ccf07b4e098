"""Rules about what is new or rare for a key."""

from .conftest import engine, event

COUNTRY = 'form = "first_seen"\nby = ["username"]\nvalue = ["country"]\nafter = 3\nwindow = "1h"\n'
RARE = 'form = "rare"\nby = ["username"]\nvalue = ["category", "action"]\nafter = 100\nat_most = 0.01\nwindow = "1d"\n'


def seen(seconds, country, name="ada"):
    return event(seconds, username=name, country=country)


def test_a_new_value_is_found_when_the_key_is_known(find):
    """After three events of a user a country that is new to them is found, once."""
    (found,) = find(COUNTRY, [seen(1, "DE"), seen(2, "DE"), seen(3, "DE"), seen(4, "BR"), seen(5, "BR")])
    assert (found.key, found.seqs) == ({"username": "ada"}, (4,))
    assert found.details == {"new": {"country": "BR"}, "known": 1}


def test_a_new_key_teaches_first(find):
    """The first countries of a user who is not known yet are no finding."""
    assert find(COUNTRY, [seen(1, "DE"), seen(2, "BR"), seen(3, "JP"), seen(4, "DE", "bob")]) == []


def test_what_is_known_is_bounded():
    """Of very many values the last ones are known."""
    at_work = engine(COUNTRY.replace('"country"', '"device_id"') + "remember = 5\n")
    for n in range(1, 1000):
        at_work.see(event(n, username="ada", device_id=str(n)), n)
    ((_, (values, events)),) = at_work.state().rules["r"]["keys"]
    assert (len(values), events) == (5, 999)


def test_a_rare_value_is_found(find):
    """Of a user with hundreds of reads the first deletion is rare; that of one with few events is not."""
    reads = [event(n, username="ada", category="data_management", action="read") for n in range(150)]
    (found,) = find(RARE, [*reads, event(151, username="ada", category="user_management", action="delete")])
    assert found.details == {"rare": {"category": "user_management", "action": "delete"}, "seen": 1, "of": 151}
    assert find(RARE, [*reads[:50], event(51, username="ada", action="delete")]) == []


def test_rare_counts_are_bounded():
    """However many different values a user has, at most 200 are counted."""
    at_work = engine(RARE)
    for n in range(1, 2000):
        at_work.see(event(n, username="ada", action=f"a{n}"), n)
    ((_, (counts, _)),) = at_work.state().rules["r"]["keys"]
    assert len(counts) <= 200


def test_they_go_on_after_a_restart():
    """What was learnt is known afterwards."""
    before = engine(COUNTRY)
    for n in (1, 2, 3):
        before.see(seen(n, "DE"), n)
    after = engine(COUNTRY, before.state())
    assert [found.details["new"] for found in after.see(seen(4, "BR"), 4)] == [{"country": "BR"}]
    before = engine(RARE)
    for n in range(1, 201):
        before.see(event(n, username="ada"), n)
    assert len(engine(RARE, before.state()).see(event(201, username="ada", action="delete"), 201)) == 1
