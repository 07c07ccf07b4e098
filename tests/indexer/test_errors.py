from stonelog.filestore import StonelogError
from stonelog.indexer import IndexUnavailable, QueryError


def test_a_query_error_tells_where_and_what_instead() -> None:
    """A QueryError carries the position and a suggestion, and says both to people, counting from one."""
    error = QueryError("there is no field 'user'", 4, "username")
    assert (error.position, error.suggestion) == (4, "username")
    assert str(error) == "there is no field 'user' (at character 5); try username"


def test_without_a_suggestion_nothing_is_suggested() -> None:
    """An empty suggestion leaves no trace in the message."""
    assert str(QueryError("no", 0)) == "no (at character 1)"


def test_both_are_errors_of_stonelog() -> None:
    """Whoever catches StonelogError catches what asking can raise."""
    assert issubclass(QueryError, StonelogError)
    assert issubclass(IndexUnavailable, StonelogError)
