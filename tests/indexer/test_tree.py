import pytest

from stonelog.indexer.tree import And, Equals, Everything, Not, Or, Words, all_of, any_of, leaves, negated

A, B, C = Words("a"), Words("b"), Words("c")


def test_an_and_in_an_and_is_one() -> None:
    """Nested conjunctions are flat, so that a tree has one form."""
    assert all_of([all_of([A, B]), C]) == And((A, B, C))
    assert any_of([A, any_of([B, C])]) == Or((A, B, C))
    assert all_of([any_of([A, B]), C]) == And((Or((A, B)), C))


def test_one_node_needs_no_and() -> None:
    """A conjunction or disjunction of one is that one."""
    assert all_of([A]) is A
    assert any_of([A]) is A


def test_two_negations_are_none() -> None:
    """Negating a negation gives back what was negated."""
    assert negated(A) == Not(A)
    assert negated(negated(A)) is A


def test_leaves_stand_in_the_order_of_the_text() -> None:
    """The conditions of a tree are listed from left to right, through all nesting."""
    tree = all_of([any_of([A, negated(B)]), Equals("level", 3), Everything()])
    assert list(leaves(tree)) == [A, B, Equals("level", 3), Everything()]


def test_a_tree_cannot_be_changed() -> None:
    """Nodes are values: equal when they say the same, usable as keys, frozen."""
    assert {Words("a"): 1}[A] == 1
    with pytest.raises(AttributeError):
        A.text = "b"  # type: ignore[misc]
