import numpy as np
import pytest

from synalign.evaluation.measured import CLASSIFICATION
from synalign.evaluation.teaching import weigh

ALONE = np.array([[0.5, 0.6, 0.4, 0.5], [0.5, 0.5, 0.5, 0.5]])


def test_it_is_used_unless_pairs_alone_are_better_by_more_than_one_standard_error() -> None:
    harm, noise = np.array([[-0.1, -0.2, -0.1, -0.2]] * 2), np.array([[-0.4, 0.4, 0.0, -0.04]] * 2)
    assert not weigh(ALONE + harm, ALONE).used
    assert weigh(ALONE - harm, ALONE).used
    assert weigh(ALONE + noise, ALONE).used


def test_a_tie_is_the_teachers() -> None:
    found = weigh(ALONE, ALONE)
    assert found.used and found.difference == 0.0 and found.queries == 4


def test_the_reason_says_which_way_is_better_by_how_much_and_on_how_many_queries() -> None:
    lost = weigh(ALONE - 0.1, ALONE)
    assert lost.reason.endswith("and teacher: nDCG@10 +0.1000 \u00b1 0.0000 on 4 validation queries")
    won = weigh(ALONE + 0.1, ALONE, CLASSIFICATION)
    assert won.reason.endswith("real pairs: accuracy +0.1000 \u00b1 0.0000 on 4 validation queries")
    assert won.figures()["difference"] == pytest.approx(0.1)


def test_one_query_cannot_object() -> None:
    assert weigh(ALONE[:, :1] - 0.3, ALONE[:, :1]).used
