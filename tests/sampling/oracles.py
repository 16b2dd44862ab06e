"""The two rules computed naively in double precision, and rows to try them on."""

from __future__ import annotations

import functools

import numpy as np
from scipy.spatial.distance import cdist

from synalign.sampling import Selection


def clustered_rows(rows: int, width: int = 8, *, seed: int = 0, clusters: int = 5) -> np.ndarray:
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(clusters, width))
    points = centres[generator.integers(clusters, size=rows)] + 0.6 * generator.normal(size=(rows, width))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def with_duplicates(rows: int, *, seed: int) -> np.ndarray:
    """Each of rows / 3 points three times, in shuffled order."""
    points = np.repeat(clustered_rows(rows // 3, seed=seed), 3, axis=0)
    return np.random.default_rng(seed).permutation(points)


def with_near_duplicates(rows: int, width: int = 16, *, seed: int) -> np.ndarray:
    """float32 rows, each twice exactly and once moved by the last bits of single precision."""
    points = clustered_rows(rows // 3, width, seed=seed).astype(np.float32)
    generator = np.random.default_rng(seed)
    moved = points * (1 + 1e-7 * generator.normal(size=points.shape)).astype(np.float32)
    return generator.permutation(np.concatenate([points, points, moved]))


@functools.cache
def real_rows() -> np.ndarray:
    """240 searches of the made appliance shop, embedded: (240, 384) float32; some searches occur twice."""
    from synalign.config import Encoder
    from synalign.embedding.encoder import encode
    from synalign.local.demo_data import PRODUCTS, TOPICS

    texts = [
        form.format(p=product, a=parts[1], b=parts[2], c=parts[3])
        for product, parts in PRODUCTS.items()
        for _, asked, _ in TOPICS.values()
        for form in asked
    ]
    chosen = texts[:: max(1, len(texts) // 220)][:220]
    return np.asarray(encode([*chosen, *chosen[:20]], Encoder()))


def plain_kernel(left: np.ndarray, right: np.ndarray, length_scale: float) -> np.ndarray:
    return np.exp(-cdist(left.astype(np.float64), right.astype(np.float64), "sqeuclidean") / (2 * length_scale**2))


def posterior_from_scratch(
    observed: np.ndarray, asked: np.ndarray, length_scale: float, noise: float | np.ndarray
) -> np.ndarray:
    """Textbook posterior variance: a new linear system every time, nothing carried over."""
    if not len(observed):
        return np.ones(len(asked))
    gram = plain_kernel(observed, observed, length_scale) + np.diag(np.broadcast_to(noise, len(observed)))
    cross = plain_kernel(observed, asked, length_scale)
    return 1.0 - np.einsum("ij,ij->j", cross, np.linalg.solve(gram, cross))


def nearest_by_hand(rows: np.ndarray, anchor: int) -> list[int]:
    distances = np.square(rows.astype(np.float64) - rows[anchor].astype(np.float64)).sum(axis=1).tolist()
    return sorted((row for row in range(len(rows)) if row != anchor), key=lambda row: (distances[row], row))


def variance_by_hand(
    rows: np.ndarray,
    batches: int,
    neighbours: int,
    length_scale: float,
    noise: float,
    shown: np.ndarray,
    shown_noise: np.ndarray | None = None,
) -> Selection:
    earlier = np.full(len(shown), noise) if shown_noise is None else shown_noise

    def noises() -> np.ndarray:
        return np.concatenate([earlier, np.full(len(observed), noise)])

    observed: list[int] = []
    anchors, members, variances, means = [], [], [], []
    for _ in range(batches):
        seen = np.concatenate([shown, rows[observed]])
        variance = posterior_from_scratch(seen, rows, length_scale, noises())
        free = [row for row in range(len(rows)) if row not in observed]
        largest = max(variance[free])
        anchor = next(row for row in free if variance[row] >= largest - 1e-10)
        batch = nearest_by_hand(rows, anchor)[:neighbours]
        observed += [row for row in [anchor, *batch] if row not in observed]
        anchors.append(anchor)
        members.append(batch)
        variances.append(variance[anchor])
        seen = np.concatenate([shown, rows[observed]])
        means.append(posterior_from_scratch(seen, rows, length_scale, noises()).mean())
    return Selection(
        np.array(anchors), np.array(members), np.array(variances), np.array(means), length_scale, np.empty(0)
    )


def first_of_largest(gains: dict[int, float], tie: float) -> int:
    largest = max(gains.values())
    return min(row for row, gain in gains.items() if gain >= largest - tie)


def coverage_by_hand(
    rows: np.ndarray,
    batches: int,
    neighbours: int,
    breadth: int,
    length_scale: float,
    noise: float,
    weights: np.ndarray,
    shown: np.ndarray,
    shown_noise: np.ndarray | None = None,
) -> tuple[list[int], list[list[int]]]:
    """The rule, with every gain of every candidate computed anew at every round."""
    information = plain_kernel(rows, rows, length_scale) ** 2 / (1 + noise)
    reduced = np.zeros(len(rows))
    if len(shown):
        earlier = np.full(len(shown), noise) if shown_noise is None else shown_noise
        reduced = (plain_kernel(shown, rows, length_scale) ** 2 / (1 + earlier[:, None])).max(axis=0)
    blocks = [[row, *nearest_by_hand(rows, row)[:neighbours]] for row in range(len(rows))]
    tie, used = 1e-12 * weights.sum(), set[int]()
    anchors, members = [], []

    def gain(block: list[int]) -> float:
        return float(weights @ np.maximum(information[block].max(axis=0) - reduced, 0))

    for _ in range(batches):
        anchor = first_of_largest({row: gain(blocks[row]) for row in range(len(rows)) if row not in used}, tie)
        used.add(anchor)
        reduced = np.maximum(reduced, information[anchor])
        order = nearest_by_hand(rows, anchor)
        pool = [row for row in order[:breadth] if row not in used]
        pool += [row for row in order[breadth:] if row not in used][: max(neighbours - len(pool), 0)]
        batch = []
        for _ in range(neighbours):
            member = first_of_largest({row: gain([row]) for row in pool if row not in used}, tie)
            used.add(member)
            reduced = np.maximum(reduced, information[member])
            batch.append(member)
        anchors.append(anchor)
        members.append(batch)
    return anchors, members


def coverage_shortfall(
    rows: np.ndarray, found: Selection, breadth: int, length_scale: float, noise: float, weights: np.ndarray
) -> float:
    """Replay a selection: the most by which a pick's gain falls short of the best one's, at any step."""
    information = plain_kernel(rows, rows, length_scale) ** 2 / (1 + noise)
    neighbours = found.neighbours.shape[1]
    order = [nearest_by_hand(rows, row) for row in range(len(rows))]
    blocks = np.array([information[[row, *order[row][:neighbours]]].max(axis=0) for row in range(len(rows))])
    reduced, free, short = np.zeros(len(rows)), np.ones(len(rows), dtype=bool), 0.0
    for anchor, members in zip(found.anchors, found.neighbours, strict=True):
        gains = np.maximum(blocks - reduced, 0) @ weights
        short = max(short, gains[free].max() - gains[anchor])
        free[anchor], reduced = False, np.maximum(reduced, information[anchor])
        pool = [row for row in order[anchor][:breadth] if free[row]]
        pool += [row for row in order[anchor][breadth:] if free[row]][: max(neighbours - len(pool), 0)]
        for member in members:
            gains = np.maximum(information - reduced, 0) @ weights
            short = max(short, gains[[row for row in pool if free[row]]].max() - gains[member])
            free[member], reduced = False, np.maximum(reduced, information[member])
    return float(short)


def variance_by_updates(
    rows: np.ndarray, batches: int, neighbours: int, length_scale: float, noise: float
) -> Selection:
    """The rule on many rows: the whitened kernel of all of them in double precision, a row added at a time."""
    points = rows.astype(np.float64)
    white, variance = np.empty((batches * (neighbours + 1), len(rows))), np.ones(len(rows))
    observed: list[int] = []
    anchors, members, variances = [], [], []
    for _ in range(batches):
        left = variance.copy()
        left[observed] = -np.inf
        anchor = int(np.argmax(left >= left.max() - 1e-10))
        batch = nearest_by_hand(points, anchor)[:neighbours]
        anchors.append(anchor)
        members.append(batch)
        variances.append(variance[anchor])
        for row in [anchor, *batch]:
            if row in observed:
                continue
            done = len(observed)
            kernel = np.exp(-np.square(points - points[row]).sum(axis=1) / (2 * length_scale**2))
            new = kernel - white[:done, row] @ white[:done]
            white[done] = new / np.sqrt(variance[row] + noise)
            variance -= np.square(white[done])
            observed.append(row)
    return Selection(np.array(anchors), np.array(members), np.array(variances), np.empty(0), length_scale, np.empty(0))
