"""Rules about how much."""

from .conftest import engine, event

RULE = """form = "volume"
query = "action:export"
by = ["username"]
sum = ["metadata.rows", "metadata.records"]
window = "1h"
at_least = 1000
"""


def export(seconds, **metadata):
    return event(seconds, action="export", username="ada", metadata=metadata)


def test_a_sum_is_found(find):
    """Amounts of several exports add up; of several fields the first that is there counts."""
    (found,) = find(RULE, [export(1, rows=400), export(2, records=500), export(3, rows=100, records=9000)])
    assert (found.seqs, found.details) == ((1, 2, 3), {"sum": 1000.0})


def test_what_is_old_or_no_number_does_not_count(find):
    """Outside the window, as text, negative or infinite, it adds nothing."""
    assert find(RULE, [export(1, rows=900), export(4000, rows=900)]) == []
    odd = [export(1, rows="5000"), export(2, rows=-5), export(3, rows=float("inf")), export(4, rows=True), export(5)]
    assert find(RULE, odd) == []


def test_very_many_amounts_are_bounded():
    """Ten thousand small exports are kept as some hundreds, and their sum is still found."""
    at_work = engine(RULE.replace("1000", "9000"))
    found = [each for n in range(1, 10_001) for each in at_work.see(export(n / 10, rows=1), n)]
    assert found[0].details["sum"] >= 9000
    ((_, parts),) = at_work.state().rules["r"]["keys"]
    assert len(parts) <= 500


def test_it_goes_on_after_a_restart():
    """What was exported before counts after."""
    before = engine(RULE)
    before.see(export(1, rows=999), 1)
    assert len(engine(RULE, before.state()).see(export(2, rows=1), 2)) == 1
