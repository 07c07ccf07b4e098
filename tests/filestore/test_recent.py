"""What was read last, kept as far as it fits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stonelog.filestore.recent import Recent

KEYS = st.tuples(st.sampled_from("ab"), st.integers(0, 9))
DONE = st.lists(st.one_of(st.tuples(KEYS, st.binary(max_size=9)), KEYS, st.sampled_from("ab")), max_size=60)


@given(DONE, st.integers(0, 30))
def test_it_keeps_what_was_used_last(done: list[tuple[object, object] | str], most: int) -> None:
    """As much of it as fits and no more, but always the last one; nothing of an owner that was dropped."""
    recent, model = Recent(most), dict[object, bytes]()
    for each in done:
        if isinstance(each, str):
            recent.drop(each)
            model = {key: data for key, data in model.items() if key[0] != each}  # type: ignore[index]
        elif isinstance(each[1], bytes):
            model.pop(each[0], None)
            model[each[0]] = each[1]
            recent.put(each[0], each[1])  # type: ignore[arg-type]
            while sum(map(len, model.values())) > most and len(model) > 1:
                model.pop(next(iter(model)))
        else:
            found = model.pop(each, None)
            assert recent.get(each) == found  # type: ignore[arg-type]
            if found is not None:
                model[each] = found
    for key in ((owner, place) for owner in "ab" for place in range(10)):
        assert recent.get(key) == model.get(key)
