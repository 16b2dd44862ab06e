"""Candidates as filters are given them: some of them keep their own rows and vectors."""

from collections.abc import Callable

import numpy as np

from synalign.config import Configuration
from synalign.screening.candidates import candidates_of, pool_of
from tests.screening.runs import run_with


def test_some_of_some_have_their_own_texts_and_vectors(configuration: Callable[..., Configuration]) -> None:
    rows = [("east", 0, "d0"), ("north", 90, "d90"), ("west", 180, "d180")]
    run = run_with(configuration(), rows)
    every = candidates_of(run, pool_of(run))
    assert (every.ids, every.queries) == (["c0", "c1", "c2"], ["east", "north", "west"])
    some = every.some(np.array([2, 1])).some(np.array([1]))
    assert (some.ids, some.queries, some.documents, some.rows.tolist()) == (["c1"], ["north"], ["d90"], [1])
    np.testing.assert_allclose(some.vectors, [[0.0, 1.0]], atol=1e-6)
    assert some.settings == some.run.configuration.screening
    assert every.some(np.array([], dtype=np.int64)).vectors.shape == (0, 2)
