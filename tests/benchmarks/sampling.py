"""How fast and how lean is sampling? Against scikit-learn's Gaussian process and a dense update, and by its memory.

`python -m tests.benchmarks.sampling [--quick | --smoke]` prints this part alone. Rows are made: directions drawn around
200 centres whose sizes fall as 1 / rank, width 384, unit norm, float32.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from threadpoolctl import threadpool_limits

from synalign.sampling import landmarks, sample_demonstrations
from tests.benchmarks.datasets import kept_folder
from tests.benchmarks.measurement import Measurement, Size, add_size, seconds, show
from tests.benchmarks.processes import in_own_process, peak_memory

MODULE = "tests.benchmarks.sampling"
WIDTH, NEIGHBOURS, BREADTH, LENGTH_SCALE, NOISE = 384, 7, 16, 1.0, 1e-2

Rows = NDArray[np.float32]
Picks = tuple[NDArray[np.int64], NDArray[np.int64]]


def made_rows(count: int, seed: int = 0) -> Rows:
    """(count, 384) float32 unit rows, made in panels so that making them takes no more memory than keeping them."""
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((200, WIDTH), dtype=np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    shares = 1.0 / np.arange(1, 201)
    rows = np.empty((count, WIDTH), dtype=np.float32)
    for start in range(0, count, 10_000):
        panel = rows[start : start + 10_000]
        generator.standard_normal(out=panel, dtype=np.float32)
        panel /= np.float32(np.sqrt(WIDTH))
        panel += centres[generator.choice(200, size=len(panel), p=shares / shares.sum())]
        panel /= np.linalg.norm(panel, axis=1, keepdims=True)
    return rows


def sampled(rows: Rows, batches: int, criterion: str) -> Picks:
    """Ours."""
    selection = sample_demonstrations(
        rows, batches, NEIGHBOURS, criterion=criterion, length_scale=LENGTH_SCALE, noise=NOISE  # type: ignore[arg-type]
    )  # fmt: skip
    return selection.anchors, selection.neighbours


def nearest(rows: NDArray[Any], anchor: int) -> NDArray[np.int64]:
    """The anchor's nearest rows, as anyone would take them."""
    likeness = rows @ rows[anchor]
    likeness[anchor] = -np.inf
    found = np.argpartition(likeness, -NEIGHBOURS)[-NEIGHBOURS:]
    return found[np.argsort(-likeness[found], kind="stable")]


def refitted(rows: NDArray[np.float64], batches: int) -> Picks:
    """Rival: scikit-learn's process with a fixed kernel, fitted anew at every round."""
    # Here, for the processes whose memory is measured.
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF

    anchors, members = np.empty(batches, np.int64), np.empty((batches, NEIGHBOURS), np.int64)
    observed: list[int] = []
    anchor = 0
    for batch in range(batches):
        if batch:
            process = GaussianProcessRegressor(RBF(LENGTH_SCALE, "fixed"), alpha=NOISE, optimizer=None)
            process.fit(rows[observed], np.zeros(len(observed)))
            deviation = process.predict(rows, return_std=True)[1]
            deviation[observed] = -np.inf
            anchor = int(np.argmax(deviation))
        anchors[batch], members[batch] = anchor, nearest(rows, anchor)
        observed = list(dict.fromkeys([*observed, anchor, *members[batch].tolist()]))
    return anchors, members


def dense(rows: Rows, batches: int) -> Picks:
    """Rival: the whitened kernel of all rows, (M, n) float32, with a block of rows added at every round."""
    anchors, members = np.empty(batches, np.int64), np.empty((batches, NEIGHBOURS), np.int64)
    whitened = np.empty((batches * (NEIGHBOURS + 1), len(rows)), dtype=np.float32)
    variance, done = np.ones(len(rows)), 0
    free = np.ones(len(rows), dtype=bool)
    for batch in range(batches):
        anchor = int(np.argmax(np.where(free, variance, -np.inf)))
        anchors[batch], members[batch] = anchor, nearest(rows, anchor)
        block = np.concatenate([[anchor], members[batch]])
        block = block[free[block]]
        kernel = rows[block] @ rows.T
        kernel -= 1.0
        kernel /= np.float32(LENGTH_SCALE**2)
        np.exp(kernel, out=kernel)
        kernel -= whitened[:done, block].T @ whitened[:done]
        residual = kernel[:, block].astype(np.float64)
        residual[np.diag_indices_from(residual)] += NOISE
        inverse = solve_triangular(np.linalg.cholesky(residual), np.eye(len(block)), lower=True)
        new = whitened[done : done + len(block)]
        np.matmul(inverse.astype(np.float32), kernel, out=new)
        variance -= np.einsum("ij,ij->j", new, new)
        free[block], done = False, done + len(block)
    return anchors, members


def alone(way: str, count: int, batches: int) -> dict[str, Any]:
    """One run in this process: seconds, memory over that of the interpreter with its imports, and what was picked."""
    before = peak_memory()
    rows = made_rows(count)
    start, processor = time.perf_counter(), time.process_time()
    anchors, members = dense(rows, batches) if way == "dense" else sampled(rows, batches, way)
    return {
        "seconds": time.perf_counter() - start,
        "processor": time.process_time() - processor,
        "bytes": peak_memory() - before,
        "rows": rows.nbytes,
        "anchors": anchors.tolist(),
        "members": members.tolist(),
    }


def apart(way: str, count: int, batches: int) -> dict[str, Any]:
    """`alone` in a process of its own."""
    return in_own_process(MODULE, "--alone", way, str(count), str(batches))


def equal(ours: Any, rivals: Any) -> str:
    """How many anchors and lists of members are the same."""
    same = [int((np.asarray(one) == np.asarray(other)).reshape(len(one), -1).all(axis=1).sum())
            for one, other in zip(ours, rivals, strict=True)]  # fmt: skip
    return f"{same[0]}/{len(ours[0])} anchors and {same[1]} lists equal"


def _size(count: int, batches: int) -> str:
    rows = f"{count / 1e6:g}M" if count >= 1_000_000 else f"{count / 1e3:g}k"
    return f"n={rows} T={batches} k={NEIGHBOURS}, made"


def against_scikit_learn(count: int, batches: int, goal: float) -> Measurement:
    """Ours before and after the rival, one BLAS thread each: split small products would slow both by chance."""
    rows = made_rows(count)
    double, found = rows.astype(np.float64), dict[str, Picks]()

    def keep(name: str, work: Callable[[], Picks]) -> Callable[[], None]:
        return lambda: found.update({name: work()})

    ours = keep("ours", lambda: sampled(rows, batches, "variance"))
    with threadpool_limits(1):
        before = [seconds(ours) for _ in range(3)]
        rival = seconds(keep("rival", lambda: refitted(double, batches)))
        mine = float(np.median([*before, *(seconds(ours) for _ in range(3))]))
    return Measurement(
        task="variance sampling", size=f"{_size(count, batches)}, one thread",
        ours=mine, rival=rival, rival_name="scikit-learn GaussianProcessRegressor", unit="s", ratio=rival / mine,
        goal=f">= {goal:g}", met=rival / mine >= goal, accuracy=equal(found["ours"], found["rival"]),
    )  # fmt: skip


def against_dense(count: int, batches: int) -> Iterator[Measurement]:
    """Time and memory against the dense update, in turns, each in its own process."""
    ours, rival = apart("variance", count, batches), apart("dense", count, batches)
    same = equal((ours["anchors"], ours["members"]), (rival["anchors"], rival["members"]))
    common = {"size": _size(count, batches), "rival_name": "dense float32 Cholesky"}
    ratio, share = rival["seconds"] / ours["seconds"], ours["bytes"] / rival["bytes"]
    yield Measurement(
        task="variance sampling", ours=ours["seconds"], rival=rival["seconds"], unit="s", ratio=ratio, goal=">= 3",
        met=ratio >= 3.0, accuracy=f"{same}; {ours['processor']:.0f} and {rival['processor']:.0f} processor seconds",
        **common,
    )  # fmt: skip
    yield Measurement(
        task="variance sampling, memory", ours=ours["bytes"] / 1e9, rival=rival["bytes"] / 1e9, unit="GB",
        ratio=share, goal="<= 0.5", met=share <= 0.5, **common,
    )  # fmt: skip


def memory_line(criterion: str, count: int, batches: int) -> Measurement:
    """Peak memory against the bytes of the embeddings, those included."""
    ours = apart(criterion, count, batches)
    share = ours["bytes"] / ours["rows"]
    return Measurement(
        task=f"{criterion} sampling, memory", size=_size(count, batches),
        ours=ours["bytes"] / 1e9, rival=ours["rows"] / 1e9, rival_name="the embeddings alone", unit="GB", ratio=share,
        goal="<= 1.6", met=share <= 1.6, accuracy=f"{ours['seconds']:.0f} s, {ours['processor']:.0f} processor seconds",
    )  # fmt: skip


def variance_lines(form: Size) -> Iterator[Measurement]:
    """Lines of the paper's criterion."""
    if form == "smoke":
        yield against_scikit_learn(200, 3, 1.0)
        yield from against_dense(2_000, 3)
        yield memory_line("variance", 2_000, 3)
        return
    yield against_scikit_learn(10_000, 50, 60.0)
    if form == "quick":
        return
    yield against_scikit_learn(5_000, 100, 100.0)
    yield from against_dense(100_000, 500)
    yield memory_line("variance", 1_000_000, 500)


def mean_distance(rows: Rows, picks: Picks) -> float:
    """Mean distance of all rows to the nearest row shown."""
    shown = rows[np.column_stack(picks).ravel()]
    likeness = np.concatenate([(rows[at : at + 8192] @ shown.T).max(axis=1) for at in range(0, len(rows), 8192)])
    return float(np.sqrt(np.maximum(2.0 - 2.0 * likeness.astype(np.float64), 0.0)).mean())


def with_fewer_landmarks(rows: Rows, batches: int, most: int) -> Picks:
    """Ours as if there were too many rows to evaluate gains on all of them."""
    before = landmarks.ALL_ROWS, landmarks.LANDMARKS
    landmarks.ALL_ROWS, landmarks.LANDMARKS = 1, most
    try:
        return sampled(rows, batches, "coverage")
    finally:
        landmarks.ALL_ROWS, landmarks.LANDMARKS = before


def landmark_line(count: int, batches: int, most: int) -> Measurement:
    """What landmarks lose: all rows against a few, and against random batches, by mean distance to what is shown."""
    rows = made_rows(count)
    full = mean_distance(rows, sampled(rows, batches, "coverage"))
    few = mean_distance(rows, with_fewer_landmarks(rows, batches, most))
    order = np.random.default_rng(1).permutation(count)[: batches * (NEIGHBOURS + 1)].reshape(batches, -1)
    random = mean_distance(rows, (order[:, 0], order[:, 1:]))
    return Measurement(
        task="coverage on landmarks", size=_size(count, batches), ours=few, rival=full,
        rival_name="all rows as landmarks", unit="mean distance", ratio=few / full, goal="<= 1.01",
        met=few / full <= 1.01, accuracy=f"{most} landmarks; random rows {random:.4f}",
    )  # fmt: skip


def coverage_line(count: int, batches: int) -> Measurement:
    """Greedy choice with lazy evaluation against every gain evaluated anew at each round."""
    rows, found = made_rows(count), dict[str, Picks]()
    ours = seconds(lambda: found.update(ours=sampled(rows, batches, "coverage")))
    rival = seconds(lambda: found.update(rival=evaluated_anew(rows, batches)))
    return Measurement(
        task="coverage sampling", size=_size(count, batches), ours=ours, rival=rival,
        rival_name="every gain at every round, float32", unit="s", ratio=rival / ours, goal="> 1", met=rival > ours,
        accuracy=equal(found["ours"], found["rival"]),
    )  # fmt: skip


def evaluated_anew(rows: Rows, batches: int) -> Picks:
    """Rival: the same rule, as anyone would write it with a matrix of all blocks' values."""
    likeness = rows @ rows.T
    np.fill_diagonal(likeness, np.inf)
    near = np.argsort(-likeness, axis=1, kind="stable")[:, : BREADTH + 1]
    np.fill_diagonal(likeness, 1.0)
    values = np.exp((likeness - 1.0) * np.float32(2.0 / LENGTH_SCALE**2)) / np.float32(1.0 + NOISE)
    blocks = np.stack([values[near[row, : NEIGHBOURS + 1]].max(axis=0) for row in range(len(rows))])
    best, free = np.zeros(len(rows), dtype=np.float32), np.ones(len(rows), dtype=bool)
    anchors, members = np.empty(batches, np.int64), np.empty((batches, NEIGHBOURS), np.int64)
    for batch in range(batches):
        gains = np.concatenate([np.maximum(part - best, 0.0).sum(axis=1) for part in np.array_split(blocks, 64)])
        anchor = anchors[batch] = int(np.argmax(np.where(free, gains, -np.inf)))
        free[anchor] = False
        np.maximum(best, values[anchor], out=best)
        for place in range(NEIGHBOURS):
            pool = np.sort(near[anchor, 1:][free[near[anchor, 1:]]])
            chosen = pool[np.argmax(np.maximum(values[pool] - best, 0.0).sum(axis=1))]
            members[batch, place], free[chosen] = chosen, False
            np.maximum(best, values[chosen], out=best)
    return anchors, members


def coverage_lines(form: Size) -> Iterator[Measurement]:
    """Lines of our criterion."""
    if form == "smoke":
        yield coverage_line(200, 3)
        yield landmark_line(200, 3, 50)
        return
    yield coverage_line(5_000 if form == "quick" else 10_000, 50)
    if form == "full":
        yield landmark_line(20_000, 50, 5_000)
        yield memory_line("coverage", 1_000_000, 100)


def main(argv: list[str] | None = None) -> None:
    """Print this part of the table; or, with `--alone`, run one way in this process and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_size(parser, quick="small sizes only")
    parser.add_argument("--alone", nargs=3, metavar=("WAY", "ROWS", "BATCHES"), help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.alone:
        way, count, batches = arguments.alone
        json.dump(alone(way, int(count), int(batches)), sys.stdout)
        return
    lines = chain(variance_lines(arguments.size), coverage_lines(arguments.size))
    show(lines, kept_folder() / "sampling.json")


if __name__ == "__main__":
    main()
