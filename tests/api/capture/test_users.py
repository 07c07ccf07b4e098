"""Who it was, whatever form the application has it in."""

import dataclasses
import uuid
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple

import pytest

from stonelog.api.capture.users import fields_of_user, user_of_scope


class Slotted:
    __slots__ = ("id", "username")


@dataclasses.dataclass
class Named:
    id: uuid.UUID
    email: str


class Expired:
    """A row whose attributes ask a database."""

    class Column:
        def __get__(self, row: Any, kind: Any) -> Any:
            raise AssertionError("the database was asked")

    id = Column()
    username = Column()


class Anonymous:
    is_authenticated = False
    username = "guest"


class Pair(NamedTuple):
    user_id: int
    username: str


class Row(NamedTuple):
    id: int
    name: str
    role: str


def slotted() -> Slotted:
    user = Slotted()
    user.id, user.username = 7, "ada"
    return user


@pytest.mark.parametrize(
    ("user", "fields"),
    [
        (None, {}),
        ("", {}),
        ("ada", {"username": "ada"}),
        (7, {"user_id": "7"}),
        ((7, "ada"), {"user_id": "7", "username": "ada"}),
        ((None, "ada"), {"username": "ada"}),
        (Pair(7, "ada"), {"user_id": "7", "username": "ada"}),
        ({"user_id": "7", "device_id": "d", "username": None}, {"user_id": "7", "device_id": "d"}),
        (
            {"sub": "7", "iss": "i", "exp": 1, "email": "e", "level": "x", "path": "/"},
            {"user_id": "7", "username": "e"},
        ),
        (MappingProxyType({"sub": True, "name": {"first": "ada"}, "session_id": "s"}), {"session_id": "s"}),
        (uuid.UUID(int=1), {"user_id": str(uuid.UUID(int=1))}),
        (Row(7, "ada", "admin"), {"user_id": "7", "username": "ada"}),
        (SimpleNamespace(id=7, name="ada"), {"user_id": "7", "username": "ada"}),
        (Named(uuid.UUID(int=1), "a@b"), {"user_id": str(uuid.UUID(int=1)), "username": "a@b"}),
        (slotted(), {"user_id": "7", "username": "ada"}),
        (Expired(), {}),
        (Anonymous(), {}),
    ],
)
def test_forms_of_a_user(user: object, fields: dict[str, str]) -> None:
    """A name, an id, both, fields, or an object, of which nothing is read that would run code of a model."""
    assert fields_of_user(user) == fields


@pytest.mark.parametrize("wrong", [True, b"ada", (1, 2, 3)])
def test_what_is_no_user(wrong: object) -> None:
    """It is an error of the function that gave it."""
    with pytest.raises((TypeError, ValueError)):
        fields_of_user(wrong)


@pytest.mark.parametrize(
    "scope",
    [
        {"user": {"id": 7, "username": "ada"}},
        {"state": {"user": SimpleNamespace(id=7, username="ada")}},
        {"user": Anonymous(), "session": {"user_id": 7, "username": "ada"}},
        {"session": {"user": {"sub": "7", "preferred_username": "ada"}}},
    ],
)
def test_where_a_user_is_looked_for(scope: dict[str, Any]) -> None:
    """In the scope, its state, the session."""
    assert user_of_scope(scope) == {"user_id": "7", "username": "ada"}
    assert user_of_scope({}) == {}
