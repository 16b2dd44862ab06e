import numpy as np

from synalign.teaching.objections import false_negatives, loses


def test_the_margin_is_taken_from_scores_of_either_sign() -> None:
    assert false_negatives(-10.0, np.array([-10.4, -10.6, 3.0]), 0.05).tolist() == [True, False, True]
    assert false_negatives(0.0, np.array([0.0, 0.1, -0.1]), 0.5).tolist() == [False, True, False]
    assert false_negatives(1.0, np.array([]), 0.05).tolist() == []


def test_a_pair_loses_only_to_all_of_its_negatives() -> None:
    assert loses(0.2, np.array([0.3, 0.21]))
    assert not loses(0.2, np.array([0.3, 0.2]))
    assert not loses(0.2, np.array([]))
