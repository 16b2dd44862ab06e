"""Threads of our own over large parts, each with a single-threaded BLAS.

A BLAS that splits every small product over threads makes them wait for one another; on a busy machine each product
then costs a time slice of the scheduler (measured: 16 ms instead of 0.5). Parts that never wait do not suffer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from threadpoolctl import ThreadpoolController

Part = TypeVar("Part")
Result = TypeVar("Result")

_POOL: ContextVar[ThreadPoolExecutor | None] = ContextVar("pool", default=None)


@contextmanager
def own_threads() -> Iterator[None]:
    """Let `each` use as many threads as BLAS was set to use, and BLAS one, until the context ends."""
    controller = ThreadpoolController().select(user_api="blas")
    threads = max([1, *(library["num_threads"] for library in controller.info())])
    with controller.limit(limits=1), ThreadPoolExecutor(threads) as pool:
        before = _POOL.set(pool if threads > 1 else None)
        try:
            yield
        finally:
            _POOL.reset(before)


def each(work: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
    """Do `work` on every part and return the results in order; in threads within `own_threads`, never in nested ones.

    Parts must not depend on the number of threads, so that results do not.

    >>> each(abs, [-1, 2])
    [1, 2]
    """
    pool = _POOL.get()
    if pool is None or len(parts) < 2:
        return [work(part) for part in parts]
    return list(pool.map(work, parts))
