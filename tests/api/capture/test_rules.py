"""Rules by route: which patterns fit, and which of them decides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stonelog.api.capture.rules import Pattern, Rules, is_sampled


@pytest.mark.parametrize(
    ("pattern", "meant", "not_meant"),
    [
        ("/users", ["/users", "/users/"], ["/users/7", "/user", "/usersx", "/"]),
        ("/users/", ["/users", "/users/"], ["/users/7"]),
        ("/users/{id}", ["/users/7", "/users/7/"], ["/users", "/users/", "/users/7/x"]),
        ("/users/{id}/keys/{key}", ["/users/7/keys/k"], ["/users/7/keys", "/users/7/locks/k"]),
        ("/health*", ["/health", "/healthz", "/health/live", "/health/"], ["/heal", "/x/health"]),
        ("/static/*", ["/static/a", "/static/a/b.css", "/static", "/static/"], ["/staticx"]),
        ("/{tenant}/*", ["/acme/x", "/acme"], ["/"]),
        ("/*", ["/", "/a", "/a/b"], []),
        ("/", ["/"], ["/a"]),
        ("*.css", ["/a/b.css"], ["/a/b.css/", "/a.cssx"]),
    ],
)
def test_paths_that_a_pattern_means(pattern: str, meant: list[str], not_meant: list[str]) -> None:
    """`/users` and `/users/` are the same; `{name}` is one segment, `*` anything."""
    parsed = Pattern.parse(pattern)
    assert [path for path in meant if not parsed.fits("GET", path)] == []
    assert [path for path in not_meant if parsed.fits("GET", path)] == []


def test_a_method_may_stand_before() -> None:
    """Then only requests with that method are meant."""
    pattern = Pattern.parse("POST /login")
    assert pattern.fits("POST", "/login/")
    assert not pattern.fits("GET", "/login")


def test_a_pattern_written_as_the_route_means_what_the_route_takes() -> None:
    """A route's parameter may span segments; names of parameters do not matter."""
    pattern = Pattern.parse("/files/{rest}")
    assert pattern.fits("GET", "/files/a/b", "/files/{path}")
    assert not pattern.fits("GET", "/files/a/b", "/files/{path}/x")


@pytest.mark.parametrize(
    "text", ["", "users", "/a*b", "/a/*/b", "/a{id}", "/{a", "post /x", "GET POST /x", "/x?q=1", "**"]
)
def test_what_is_no_pattern_is_refused(text: str) -> None:
    """A pattern that would not mean what it looks like is no pattern."""
    with pytest.raises(ValueError, match=r"expected a path|one method|whole segment"):
        Pattern.parse(text)


def test_the_most_specific_pattern_decides() -> None:
    """More literal characters, then no `*`, then fewer names, then a method."""
    rules = Rules(
        exclude=["/*", "/users/{id}", "GET /login"],
        always=["/users/admin", "/log*", "/users/{id}/{part}"],
        sample={"/users*": 0.5, "POST /login": 0.25},
    )
    rates = {path: rules.verdict("GET", path).rate for path in ("/x", "/users/7", "/users/admin", "/users", "/login")}
    assert rates == {"/x": 0, "/users/7": 0, "/users/admin": 1, "/users": 0.5, "/login": 0}
    assert rules.verdict("POST", "/login").rate == 0.25
    assert rules.verdict("GET", "/logout").rate == 1


def test_of_equal_patterns_that_which_keeps_more_goes_first() -> None:
    """`always` goes before `sample`, and that before `exclude`."""
    assert not Rules(exclude=["/a"], always=["/a"]).verdict("GET", "/a").excluded
    assert Rules(exclude=["/a"], sample={"/a/": 0.5}).verdict("GET", "/a").rate == 0.5


def test_sensitive_holds_beside_the_others() -> None:
    """Whatever decides whether an event is written, a sensitive route's is one."""
    verdict = Rules(exclude=["/*"], always=["/login"], sensitive=["/login"]).verdict("POST", "/login")
    assert verdict == (1.0, False, True)


def test_a_share_is_written_and_always_the_same() -> None:
    """About the share that was asked for, by the key alone."""
    keys = [f"{number:032x}" for number in range(4000)]
    kept = [key for key in keys if is_sampled(key, 0.25)]
    assert 800 < len(kept) < 1200
    assert all(is_sampled(key, 0.5) for key in kept), "who keeps more keeps these too"
    assert not any(is_sampled(key, 0.0) for key in keys)
    assert all(is_sampled(key, 1.0) for key in keys)


@given(st.text(max_size=50), st.sampled_from(["/a*", "/a/{b}/c", "*.x", "/a/{b}*", "/"]))
def test_any_path_can_be_compared(path: str, pattern: str) -> None:
    """A slash at the end makes no difference to a pattern that is a path, whatever the path is."""
    parsed = Pattern.parse(pattern)
    fits = parsed.fits("GET", path)
    if not parsed.suffix and path.startswith("/") and not path.endswith("/"):
        assert fits == parsed.fits("GET", f"{path}/")
