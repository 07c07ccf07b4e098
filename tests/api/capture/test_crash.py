"""What is told of an exception, bounded."""

import pytest

from stonelog.api.capture.crash import error_fields


def test_an_exception_that_cannot_be_shown() -> None:
    """Its type is told all the same."""

    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    told = error_fields(Odd(), 1000)
    assert told["error_type"].endswith("Odd")
    assert "error_message" not in told


def test_a_deep_recursion_is_cut() -> None:
    """The beginning and the end of a long stack are kept."""

    def again() -> None:
        again()

    with pytest.raises(RecursionError) as raised:
        again()
    told = error_fields(raised.value, 2000)["stack_trace"]
    assert len(told) <= 2000
    assert told.startswith("Traceback")
    assert told.endswith("maximum recursion depth exceeded")


def test_a_long_chain_of_exceptions_is_cut() -> None:
    """The last are kept, as is the error itself."""
    chain: BaseException | None = None
    for number in range(3000):
        link = ValueError(f"n{number}")
        link.__context__, chain = chain, link
    assert chain is not None
    told = error_fields(chain, 20_000)["stack_trace"]
    assert told.startswith("[earlier exceptions left out]")
    assert told.count("ValueError: n") == 20
    assert told.endswith("ValueError: n2999")


def test_a_large_group_of_exceptions_is_cut() -> None:
    """Twenty are kept, of groups within groups too."""
    group = ExceptionGroup("many", [ExceptionGroup("few", [ValueError("x")]), *map(ValueError, range(5000))])
    told = error_fields(group, 20_000)["stack_trace"]
    assert told.count("ValueError: ") == 19
    assert told.endswith("[more exceptions of the group left out]")
