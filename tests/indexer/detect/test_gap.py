"""Rules about what is missing."""

from .conftest import engine, event

OWN = 'form = "gap"\nseverity = "critical"\n'


def test_missing_numbers_of_the_store_are_found():
    """A `seq` that jumps is a gap; the first event that is seen begins one only if it is not the first."""
    at_work = engine(OWN)
    assert [list(at_work.see(event(n), n)) for n in (1, 2, 3)] == [[], [], []]
    (found,) = at_work.see(event(9), 9)
    assert (found.count, found.last_seq, found.details) == (5, 9, {"missing_first": 4, "missing_last": 8})


def test_what_is_accounted_for_is_no_gap():
    """Numbers that retention removed are passed."""
    at_work = engine(OWN)
    at_work.see(event(1), 1)
    at_work.passed(100)
    assert at_work.see(event(2), 101) == ()


def test_numbers_of_an_application_are_looked_at_by_key(find):
    """Each host counts its own events; a number that is missing is found, one that comes twice is not."""
    rule = 'form = "gap"\nfield = "metadata.number"\nby = ["host"]\n'
    events = [event(n, host=host, metadata={"number": number}) for n, host, number in
              [(1, "a", 1), (2, "b", 7), (3, "a", 2), (4, "b", 8), (5, "b", 8), (6, "a", 5)]]  # fmt: skip
    (found,) = find(rule, events)
    assert (found.key, found.details) == ({"host": "a"}, {"missing_first": 3, "missing_last": 4})


def test_silence_is_found(find):
    """When a host that was silent for an hour speaks again, it is told how long that was."""
    rule = 'form = "gap"\nsilence = "1h"\nby = ["host"]\n'
    events = [event(0, host="a"), event(1800, host="a"), event(5000, host="b"), event(7200, host="a")]
    (found,) = find(rule, events)
    assert (found.seqs, found.details) == ((2, 4), {"silent_seconds": 5400.0})


def test_it_goes_on_after_a_restart():
    """The last number before is known after."""
    rule = 'form = "gap"\nfield = "metadata.number"\n'
    before = engine(rule)
    before.see(event(1, metadata={"number": 1}), 1)
    assert len(engine(rule, before.state()).see(event(2, metadata={"number": 3}), 2)) == 1
