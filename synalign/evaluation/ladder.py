"""The ladder: arms from the simplest up, and which of them is better than a simpler one by more than chance explains.

An arm is a scheme with a mass. The order is fixed: the real pairs alone, then by mass, within a mass by scheme as
`SCHEMES` has them. One champion walks up: an arm replaces it where its nDCG@10 (a classifier's accuracy) on validation
queries is higher by more than one paired standard error over queries and trainings. So a tie is never a choice, and the
simplest arm wins it.

Not all arms are trained with every seed. The first round trains all of them with the first seed and keeps `KEPT`: the
simplest, the champion, and the best of the others; the last round trains these with every seed, and its champion is the
choice. That is successive halving (Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter
Optimization", AISTATS 2016) with two rounds, trainings being what is spent.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from synalign.config.schemes import NONE, SCHEMES, Chosen
from synalign.evaluation.comparison import ROUNDING
from synalign.evaluation.measured import RETRIEVAL, Measured

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

KEPT = 4
"""Most arms that are trained with every seed. With the default masses that is twice the trainings of one mass."""

LEAST_QUERIES = 2
"""Validation queries below which there is no standard error."""


class Cell(NamedTuple):
    """What a training set can be.

    Attributes:
        mass: Total weight of its written pairs over that of the real ones.
        scheme: Their weights; `none` where the mass is 0.
    """

    mass: float
    scheme: Chosen

    @property
    def words(self) -> str:
        """Its name for people.

        >>> Cell(0.0, "none").words, Cell(0.5, "equal_mass").words
        ('real pairs alone', 'equal_mass at mass 0.5')
        """
        return "real pairs alone" if self.scheme == NONE else f"{self.scheme} at mass {self.mass:g}"


class Entry(NamedTuple):
    """How an arm did when its turn came.

    Attributes:
        round: 1, or 2 for those that were kept.
        cell: The arm.
        seeds: Trainings behind the figures.
        mean: Mean nDCG@10 over validation queries and trainings.
        against: The champion then; None: there was none, the arm is the simplest.
        difference: Mean nDCG@10 minus the champion's.
        standard_error: Of the difference, see `standard_error`.
        replaced: Whether it became the champion.
    """

    round: int
    cell: Cell
    seeds: int
    mean: float
    against: Cell | None
    difference: float
    standard_error: float
    replaced: bool


class Ladder(NamedTuple):
    """All entries of a choice.

    Attributes:
        entries: Of every round, each from the simplest up.
        scores: nDCG@10 of validation queries by arm, (s, q) float64 for the s seeds that the arm was trained with; of
            classifiers, 1 where a text's label is found and 0 where not.
        measured: What the arms are measured by.
    """

    entries: list[Entry]
    scores: dict[Cell, NDArray[np.float64]]
    measured: Measured = RETRIEVAL

    @property
    def last(self) -> list[Entry]:
        """The entries of the last round."""
        return [entry for entry in self.entries if entry.round == self.entries[-1].round]

    @property
    def champion(self) -> Entry:
        """The entry of the arm that was chosen."""
        return champion(self.last)

    def figures(self) -> list[dict[str, Any]]:
        """Return all entries as plain values for the manifest, each with its difference to the arm that was chosen.

        That is taken over the trainings that both have.
        """
        return [self._figures(entry) for entry in self.entries]

    def _figures(self, entry: Entry) -> dict[str, Any]:
        chosen = self.scores[self.champion.cell][: entry.seeds]
        apart = self.scores[entry.cell][: entry.seeds] - chosen
        found: dict[str, Any] = {
            "round": entry.round, "scheme": entry.cell.scheme, "mass": entry.cell.mass, "seeds": entry.seeds,
            self.measured.name: entry.mean, "replaced": entry.replaced,
            "minus_chosen": mean(apart), "minus_chosen_standard_error": standard_error(apart),
        }  # fmt: skip
        if entry.against is not None:
            found |= {
                "against": entry.against._asdict(), "difference": entry.difference,
                "standard_error": entry.standard_error,
            }  # fmt: skip
        return found


def cells(masses: Sequence[float]) -> list[Cell]:
    """Return the arms to choose among, the simplest first.

    Args:
        masses: Distinct, >= 0, in any order.

    Examples:
        >>> [cell.words for cell in cells([2.0, 0.0])]
        ['real pairs alone', 'equal at mass 2', 'equal_mass at mass 2', 'aligned at mass 2']
    """
    return [
        cell for mass in sorted(masses) for cell in ([Cell(mass, s) for s in SCHEMES] if mass else [Cell(0.0, NONE)])
    ]


def trainings(masses: Sequence[float], seeds: int) -> int:
    """Return how many trainings a ladder takes.

    >>> trainings((0.0, 0.25, 0.5, 1.0, 2.0, 4.0), 3), trainings((2.0,), 3)
    (24, 9)
    """
    first = len(cells(masses))
    return first + KEPT * (seeds - 1) if _halves(first, seeds) else first * seeds


def _halves(arms: int, seeds: int) -> bool:
    """Return whether there is a first round, which some arms leave."""
    return arms > KEPT and seeds > 1


def climb(
    masses: Sequence[float],
    seeds: Sequence[int],
    score: Callable[[Cell, int], NDArray[np.float64]],
    measured: Measured = RETRIEVAL,
) -> Ladder:
    """Train and compare arms in two rounds; in one where there are few of them, or one seed.

    Args:
        masses: To choose among.
        seeds: Of the trainings, at least one.
        score: Returns the measure of each validation query, (q,) float64, of an arm trained with a seed. Called at
            most once for each.
        measured: What it is.

    Returns:
        The ladder, the same for the same scores whatever the order of the queries.
    """
    entries: list[Entry] = []
    scores: dict[Cell, NDArray[np.float64]] = {}
    some = cells(masses)
    if _halves(len(some), len(seeds)):
        scores = {cell: score(cell, seeds[0])[None, :] for cell in some}
        entries = walk(scores, 1)
        some = kept(entries)
    whole = {
        cell: np.stack([*scores.get(cell, ()), *(score(cell, seed) for seed in seeds[len(scores.get(cell, ())) :])])
        for cell in some
    }
    return Ladder([*entries, *walk(whole, 2 if entries else 1)], scores | whole, measured)


def walk(scores: Mapping[Cell, NDArray[np.float64]], number: int = 1) -> list[Entry]:
    """Walk up once.

    Args:
        scores: (s, q) float64 by arm, from the simplest up, rows of one training and columns of one query.
        number: Of the round.
    """
    entries: list[Entry] = []
    best: Cell | None = None
    for cell, rows in scores.items():
        apart = rows - scores[cell if best is None else best]
        difference, error = mean(apart), standard_error(apart)
        replaced = best is None or difference > error + ROUNDING
        entries.append(Entry(number, cell, len(rows), mean(rows), best, difference, error, replaced))
        best = cell if replaced else best
    return entries


def champion(entries: Sequence[Entry]) -> Entry:
    """Return the entry that nothing replaced."""
    return [entry for entry in entries if entry.replaced][-1]


def kept(entries: Sequence[Entry], most: int = KEPT) -> list[Cell]:
    """Return the arms of a round that go on to the next: the simplest, the champion, and the best of the others.

    Of equally good ones the simpler goes on.
    """
    first = [entries[0].cell, champion(entries).cell]
    others = sorted(entries, key=lambda entry: -entry.mean)
    going = list(dict.fromkeys([*first, *(entry.cell for entry in others)]))[:most]
    return [entry.cell for entry in entries if entry.cell in going]


def mean(rows: NDArray[np.float64]) -> float:
    """Return the mean of all entries, the same to the last bit in any order of them."""
    return math.fsum(rows.ravel().tolist()) / rows.size


def standard_error(differences: NDArray[np.float64]) -> float:
    """Return the standard error of the mean of paired differences, for other queries *and* other trainings.

    With d the differences, q queries and s trainings,

        error^2  =  var over queries (mean over trainings of d) / q  +  var over trainings (mean over queries of d) / s

    Under the two-way random model of crossed queries and trainings (Cornfield and Tukey, "Average Values of Mean
    Squares in Factorials", Annals of Mathematical Statistics 27, 1956) the variance of the mean is v_q / q + v_s / s
    + v_e / (q s). The expectation of error^2 has the last term twice: it errs on the side of a tie. In return it is a
    norm of the differences, so that a champion that came over several others by more than an error each is better than
    each of them by more than an error. With one training the second term is unknown and left out: the error is then for
    this very training.

    Args:
        differences: (s, q) float64.

    Returns:
        >= 0; infinite for a single query.

    Examples:
        >>> standard_error(np.array([[0.0, 0.2], [0.0, 0.2]])), standard_error(np.array([[0.1]]))
        (0.1, inf)
    """
    seeds, queries = differences.shape
    if queries < LEAST_QUERIES:
        return math.inf
    by_query = _variance([math.fsum(column) / seeds for column in differences.T.tolist()]) / queries
    by_seed = _variance([math.fsum(row) / queries for row in differences.tolist()]) / seeds if seeds > 1 else 0.0
    return math.sqrt(by_query + by_seed)


def _variance(values: list[float]) -> float:
    middle = math.fsum(values) / len(values)
    return math.fsum((value - middle) ** 2 for value in values) / (len(values) - 1)
