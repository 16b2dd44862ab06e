import numpy as np
import pyarrow as pa

from synalign.mining.lookup import Lookup
from synalign.screening.nearest import NOBODY

IDS = [f"d{row}" for row in range(10)]


def passed(lists: list[list[str]], size: int) -> Lookup:
    lookup = Lookup(lists)
    for first in range(0, len(IDS), size):
        lookup.add(pa.array(IDS[first : first + size]), first)
    return lookup


def test_numbers_are_found_in_parts_of_any_size_and_what_is_not_there_has_none() -> None:
    lists = [["d7", "gone", "d0"], [], ["d0"], ["also gone"]]
    for size in (1, 3, 10, 99):
        lookup = passed(lists, size)
        assert lookup.pairs.tolist() == [0, 0, 0, 2, 3]
        assert lookup.numbers.tolist() == [7, NOBODY, 0, 0, NOBODY]
        assert lookup.table().tolist() == [[7, 0, NOBODY], [NOBODY] * 3, [0, NOBODY, NOBODY], [NOBODY] * 3]


def test_nothing_is_looked_for_in_no_lists() -> None:
    lookup = passed([], 3)
    assert len(lookup.numbers) == 0 and lookup.table().shape == (0, 0)
    assert passed([[], []], 3).table().shape == (2, 0)
    assert np.all(passed([["d1"]], 99).numbers == 1)
