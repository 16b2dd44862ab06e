"""Threads of our own: results in order, BLAS on one thread meanwhile, and no threads in threads."""

from __future__ import annotations

import threading

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from synalign.sampling.threads import each, own_threads


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def name(part: int) -> tuple[int, str]:
    return part, threading.current_thread().name


def test_without_own_threads_all_is_done_here() -> None:
    assert each(name, range(3)) == [(part, threading.current_thread().name) for part in range(3)]


def test_results_come_in_order_and_blas_is_as_before_afterwards() -> None:
    met = threading.Barrier(2, timeout=30)

    def work(part: int) -> tuple[int, str, set[int]]:
        # Two parts at once, or the barrier breaks.
        met.wait()
        return *name(part), blas_threads()

    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        with own_threads():
            found = each(work, range(4))
        assert blas_threads() == before
    assert [part for part, _, _ in found] == [0, 1, 2, 3]
    assert threading.current_thread().name not in {thread for _, thread, _ in found}
    assert all(threads == {1} for _, _, threads in found)


def test_threads_start_no_threads() -> None:
    with threadpool_limits(2, user_api="blas"), own_threads():
        found = each(lambda part: (name(part), each(name, range(3))), range(2))
    for (_, outer), inner in found:
        assert [part for part, _ in inner] == [0, 1, 2]
        assert {thread for _, thread in inner} == {outer}


def test_a_part_that_fails_fails_the_whole_and_leaves_no_pool() -> None:
    def broken(part: int) -> None:
        raise ValueError(f"part {part}")

    with threadpool_limits(2, user_api="blas"):
        with pytest.raises(ValueError, match="part"), own_threads():
            each(broken, range(3))
        assert {thread for _, thread in each(name, range(3))} == {threading.current_thread().name}
