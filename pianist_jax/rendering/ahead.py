"""Work that goes on in a thread beside the model's."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


@contextmanager
def in_background() -> Iterator[Callable[..., Future[Any]]]:
    """A function that has others called one after the other in a thread; what has not begun at the end never does."""
    thread = ThreadPoolExecutor(1)
    try:
        yield thread.submit
    finally:
        thread.shutdown(cancel_futures=True)


@contextmanager
def ahead(items: Iterator[T], count: int) -> Iterator[Iterator[T]]:
    """The items, up to `count` of them made in advance."""
    end = object()
    with in_background() as submit:

        def taken() -> Iterator[T]:
            made = deque(submit(next, items, end) for _ in range(count))
            while (item := made.popleft().result()) is not end:
                made.append(submit(next, items, end))
                yield item

        try:
            yield taken()
        finally:
            submit(getattr(items, "close", int)).result()
