"""Counting what a question finds: facets and histogram. Each is exact; figures are in stats.py."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import chain, groupby
from typing import Any, Final

from pyroaring import BitMap

from stonelog.filestore import loads

from .block import Block
from .errors import QueryError
from .kept import stored_sum
from .rollup import DIMENSIONS
from .span import microseconds, moment
from .tail import Found
from .tally import FacetValue, covers, value_counts, value_rows, values_reader
from .view import Question, View

__all__ = ["Bucket", "FacetValue", "facets", "histogram"]

Bucket = tuple[datetime, int] | tuple[datetime, dict[FacetValue, int]]
_Counts = Counter[FacetValue]

_ORIGIN: Final = -719_162 * 86_400_000_000
"""0001-01-01, a Monday, before every event: buckets are counted from it, so that weeks start on Mondays."""
_MOST_BUCKETS: Final = 100_000
_SPLIT_BY: Final = DIMENSIONS[:-1]
"""The fields by whose values the events of a rollup are counted."""
_FEW: Final = 16
"""Where there are so many times fewer steps than rows, sets of rows are intersected; else each row is looked at."""


def facets(view: View, question: Question, names: Sequence[str], limit: int) -> dict[str, list[tuple[FacetValue, int]]]:
    """The `limit` most frequent values of each field with their counts, highest first, then by value."""
    if limit < 1:
        raise QueryError(f"limit {limit}: at least one value of each field is given", suggestion="10")
    readers = {name: values_reader(name) for name in names}
    sums: dict[str, tuple[_Counts, frozenset[object]]] = {}
    for name in readers:
        stored, done = _stored_counts(view, question, name)
        sums[name] = Counter(stored), done
    for block in view.patience.over(view.blocks(question)):
        left = {name: counts for name, (counts, done) in sums.items() if block.identity not in done}
        if left:
            _count_values(view, question, block, left)
    for counts in view.scanned_sums(question, ("facets", *readers), partial(_counted, readers), _joined):
        for name in readers:
            sums[name][0].update(counts[name])
    return {name: _ranked(sums[name][0], limit) for name in names}


def _counted(
    readers: Mapping[str, Callable[[dict[str, Any]], Iterable[FacetValue]]], events: Iterable[Found]
) -> dict[str, _Counts]:
    some = [found.fields for found in events]
    return {name: Counter(chain.from_iterable(map(read, some))) for name, read in readers.items()}


def _joined(some: Sequence[dict[str, _Counts]]) -> dict[str, _Counts]:
    return {name: _total([counts[name] for counts in some]) for name in some[0]}


def _total(some: Iterable[Counter[Any]]) -> Counter[Any]:
    total: Counter[Any] = Counter()
    for counts in some:
        total.update(counts)
    return total


def _stored_counts(view: View, question: Question, name: str) -> tuple[_Counts, frozenset[object]]:
    def add(total: _Counts, block: Block) -> bool:
        counts = value_counts(block, name)
        if counts is not None:
            total.update(counts)
        return counts is not None

    return stored_sum(view, question, ("facet", name), _Counts, add)


def _count_values(view: View, question: Question, block: Block, totals: dict[str, _Counts]) -> None:
    """The values of the fields that `totals` names are counted in it."""
    rows: BitMap | None = None
    for name, total in totals.items():
        counts = value_counts(block, name) if covers(question, block) else None
        if counts is not None:
            total.update(counts)
            continue
        if rows is None:
            rows = view.rows(question, block)
        for value, having in value_rows(block, name, rows, view.patience):
            total[value] += len(having)


def _ranked(counts: _Counts, limit: int) -> list[tuple[FacetValue, int]]:
    largest = heapq.nlargest(limit, counts.values())
    least = largest[-1] if largest else 0
    leading = [item for item in counts.items() if item[1] >= least]
    return heapq.nsmallest(limit, leading, key=lambda item: (-item[1], str(item[0])))


def histogram(view: View, question: Question, step: int, by: str | None) -> list[Bucket]:
    """The number of events in each step (microseconds) of time, or of each value of `by`; empty steps between included.

    Steps start at multiples of `step` from a Monday at 00:00 UTC. Raises QueryError if there would be too many.
    """
    if by is None:
        totals, done = _stored_steps(view, question, step)
        for block in view.patience.over(view.blocks(question)):
            if block.identity not in done:
                _count_steps(view, question, block, step, totals)
        for counts in view.scanned_sums(
            question, ("steps", step), lambda events: Counter(_bucket(found, step) for found in events), _total
        ):
            totals.update(counts)
        return [(_start(bucket, step), totals[bucket]) for bucket in _all_buckets(totals, step)]
    read = values_reader(by)
    split: dict[int, _Counts] = {}
    for block in view.patience.over(view.blocks(question)):
        _split_steps(view, question, block, step, by, split)
    for found in view.scanned(question):
        split.setdefault(_bucket(found, step), Counter()).update(read(found.fields))
    return [(_start(bucket, step), dict(split.get(bucket, {}))) for bucket in _all_buckets(split, step)]


def _stored_steps(view: View, question: Question, step: int) -> tuple[Counter[int], frozenset[object]]:
    def add(total: Counter[int], block: Block) -> bool:
        _count_steps(view, question, block, step, total)
        return True

    stored, done = stored_sum(view, question, ("steps", step), Counter[int], add)
    return Counter(stored), done


def _count_steps(view: View, question: Question, block: Block, step: int, totals: Counter[int]) -> None:
    if covers(question, block):
        if (bucket := _only_bucket(block.first_time, block.last_time, step)) is not None:
            totals[bucket] += block.events
            return
        if width := _width(block, step):
            for start, events, _ in block.rollups(width, None, None):
                totals[(start - _ORIGIN) // step] += events
            return
    rows = view.rows(question, block)
    for bucket, here in _rows_by_step(block, rows, step).items():
        totals[bucket] += len(here)


def _split_steps(view: View, question: Question, block: Block, step: int, by: str, split: dict[int, _Counts]) -> None:
    width = _width(block, step) if by in _SPLIT_BY and covers(question, block) else 0
    if width:
        for start, _, figures in block.rollups(width, None, None):
            split.setdefault((start - _ORIGIN) // step, Counter()).update(loads(figures).get(by, {}))
        return
    rows = view.rows(question, block)
    steps = _rows_by_step(block, rows, step)
    for bucket in steps:
        split.setdefault(bucket, Counter())
    bucket_of: dict[int, int] = {}
    for value, having in value_rows(block, by, rows, view.patience):
        if len(steps) * _FEW < len(having) or len(steps) == 1:
            for bucket, here in steps.items():
                if number := here.intersection_cardinality(having):
                    split[bucket][value] += number
            continue
        if not bucket_of:
            bucket_of = {row: bucket for bucket, here in steps.items() for row in here}
        for bucket, number in Counter(map(bucket_of.__getitem__, having)).items():
            split[bucket][value] += number


def _rows_by_step(block: Block, rows: BitMap, step: int) -> dict[int, BitMap]:
    """Which of the rows lie in each step; those of whole spans are not looked at one by one."""
    found: dict[int, BitMap] = {}
    for span in block.spans():
        row, end = span.row, span.row + span.events
        if not rows.range_cardinality(row, end):
            continue
        if (bucket := _only_bucket(span.first_time, span.last_time, step)) is not None:
            found.setdefault(bucket, BitMap()).add_range(row, end)
            continue
        for bucket, run in groupby([(time - _ORIGIN) // step for time in block.times(span)]):
            end = row + len(list(run))
            found.setdefault(bucket, BitMap()).add_range(row, end)
            row = end
    return {bucket: here for bucket, some in found.items() if (here := some & rows)}


def _only_bucket(first: int, last: int, step: int) -> int | None:
    """The step in which both times lie, in microseconds; None if they do not lie in the same."""
    bucket = (first - _ORIGIN) // step
    return bucket if (last - _ORIGIN) // step == bucket else None


def _width(block: Block, step: int) -> int:
    """The greatest width of rollups of which a step is a multiple, so that each lies in one; 0 if there is none."""
    return max((width for width in block.widths if step % width == 0), default=0)


def _bucket(found: Found, step: int) -> int:
    return (microseconds(found.fields["time"]) - _ORIGIN) // step


def _start(bucket: int, step: int) -> datetime:
    return moment(_ORIGIN + bucket * step)


def _all_buckets(found: Iterable[int], step: int) -> range:
    present = sorted(found)
    if not present:
        return range(0)
    if present[-1] - present[0] >= _MOST_BUCKETS:
        raise QueryError(
            f"a histogram of {present[-1] - present[0] + 1:,} steps; at most {_MOST_BUCKETS:,} are made",
            suggestion="a longer step, or narrow the time with since and until",
        )
    return range(present[0], present[-1] + 1)
