"""A figure: medians, the ratio within rounds, targets."""

import pytest

from stonelog.api.bench import Figure, Target
from stonelog.api.bench.figure import percentile


def figure(ours=(10.0,), reference=(5.0,), target=None):
    return Figure.of("name", "events/s", ours, "reference", reference, target)


def test_the_ratio_is_the_median_of_the_ratios_within_a_round():
    """A disk that is ten times slower in one round changes both sides of it, and not the ratio."""
    drifting = figure((20, 2, 20, 20, 2), (10, 1, 10, 1, 1))
    assert drifting.ratio == 2
    assert (drifting.ours, drifting.reference) == (20, 1)


@pytest.mark.parametrize(
    ("target", "met"),
    [
        (None, None),
        (Target("least", 2), True),
        (Target("least", 2.1), False),
        (Target("most", 2), True),
        (Target("most", 1.9), False),
        (Target("least", 10, of="ours"), True),
        (Target("least", 11, of="ours"), False),
        (Target("most", 9, of="ours"), False),
    ],
    ids=str,
)
def test_a_target_is_met_by_the_ratio_or_by_our_own_value(target, met):
    """At least and at most, the limit itself included; without a target nothing is said."""
    assert figure(target=target).met is met


@pytest.mark.parametrize(("ours", "reference"), [((), ()), ((1.0,), (1.0, 2.0))])
def test_rounds_must_match(ours, reference):
    """A figure has as many rounds of the reference as of ours, and at least one."""
    with pytest.raises(ValueError, match="rounds of ours"):
        figure(ours, reference)


@pytest.mark.parametrize(("share", "value"), [(0.99, 99), (0.5, 50), (1, 100), (0, 1), (0.991, 100)])
def test_percentile_is_the_nearest_rank(share, value):
    """Of 1 to 100 the p99 is 99, whatever their order."""
    assert percentile(list(range(100, 0, -1)), share) == value


def test_percentile_of_one_value():
    """One value is every percentile of itself."""
    assert percentile([3.5], 0.99) == 3.5
