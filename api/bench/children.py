"""Work in processes of their own, all at once, each with one answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar

from stonelog.filestore import StonelogError

__all__ = ["Answer", "Children"]

Result = TypeVar("Result")
Answer = Connection
"""Where a child sends its result."""


class Children(Generic[Result]):
    """Makes processes and what they share. They are spawned: an open store must not be forked, nor a thread's lock."""

    def __init__(self) -> None:
        self.context = get_context("spawn")

    def ask(self, work: Callable[..., None], arguments: Sequence[tuple[Any, ...]]) -> list[Result]:
        """What `work(*arguments, answer)` sent, from a process for each of `arguments`; none of them runs any more.

        Raises StonelogError if one ended without an answer.
        """
        pipes = [self.context.Pipe(duplex=False) for _ in arguments]
        children = [
            self.context.Process(target=work, args=(*each, answer), daemon=True)
            for each, (_, answer) in zip(arguments, pipes, strict=True)
        ]
        try:
            for child in children:
                child.start()
            for _, answer in pipes:
                answer.close()  # the child has its own: when that is gone too, reading ends
            results: list[Result] = [reading.recv() for reading, _ in pipes]
            for child in children:
                child.join()
        except EOFError:
            raise StonelogError("a process of the benchmark ended before it was done", hint="see its error") from None
        finally:
            for child, (reading, answer) in zip(children, pipes, strict=True):
                if child.pid and child.is_alive():
                    child.kill()
                    child.join()
                reading.close()
                answer.close()
        return results
