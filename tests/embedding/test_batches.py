import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synalign.embedding.batches import equal_length_batches


@given(st.lists(st.integers(0, 40), max_size=60), st.integers(1, 100), st.integers(1, 100))
def test_every_text_is_in_a_batch_of_texts_of_its_own_length_within_bounds(
    lengths: list[int], tokens: int, least: int
) -> None:
    seen: list[int] = []
    for rows in equal_length_batches(lengths, tokens, least):
        (length,) = {max(1, lengths[row]) for row in rows}
        distinct = len(np.unique(rows))
        assert distinct == 1 or distinct * length <= tokens
        assert len(rows) * length >= least
        seen.extend(np.unique(rows))
    assert sorted(seen) == list(range(len(lengths)))
