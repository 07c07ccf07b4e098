"""What is kept in mind, and its file."""

import pytest

from stonelog.indexer.detect import State, read_state, state_file, write_state
from stonelog.indexer.detect.state import Keyed


@pytest.mark.parametrize("most", [1, 2, 3, 10, 11])
def test_so_many_items_are_kept(most):
    """However many are put, no more than that; what was put last is there."""
    items: Keyed[int] = Keyed(most)
    for number in range(1, 100):
        items.put(number % 40, number)
        assert len(items) == len(dict(items)) <= most
        assert items.get(number % 40) == number


def test_what_is_asked_for_stays():
    """An item that somebody asks for outlives all that nobody does; a dropped one is gone."""
    items: Keyed[int] = Keyed(10)
    items.put("asked", 1)
    for number in range(100):
        items.put(number, number)
        assert items.get("asked") == 1
    assert items.get(5) is None
    items.drop("asked")
    assert items.get("asked") is None


def test_the_state_is_read_as_it_was_written(tmp_path):
    """The file is replaced as a whole and private; nothing else is left beside it."""
    assert read_state(tmp_path) is None
    for seq in (1, 2):
        write_state(tmp_path, State(seq, {"r": {"rule": "x", "told": []}}))
    state = read_state(tmp_path)
    assert (state.seq, state.rules) == (2, {"r": {"rule": "x", "told": []}})
    assert [path.name for path in tmp_path.iterdir()] == ["detect.state"]
    assert state_file(tmp_path).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damage", [b"", b"00000000{}", b"nothing of ours"])
def test_a_damaged_file_is_told(tmp_path, damage):
    """What is not as it was written is refused."""
    state_file(tmp_path).write_bytes(damage)
    with pytest.raises(ValueError, match="damaged"):
        read_state(tmp_path)


def test_a_flipped_bit_is_noticed(tmp_path):
    """The checksum covers everything."""
    write_state(tmp_path, State(7, {}))
    data = bytearray(state_file(tmp_path).read_bytes())
    data[-3] ^= 1
    state_file(tmp_path).write_bytes(data)
    with pytest.raises(ValueError, match="damaged"):
        read_state(tmp_path)
