import numpy as np

from synalign.screening.labels import label_depth, label_places


def test_at_most_one_label_in_twenty_five_counts_as_near() -> None:
    assert [label_depth(10, labels) for labels in (1, 24, 49, 50, 77, 250, 10_000)] == [1, 1, 1, 2, 3, 10, 10]
    assert label_depth(2, 10_000) == 2


def test_a_label_is_at_the_mean_of_its_texts_and_one_without_texts_at_its_name() -> None:
    texts = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, -1]], dtype=np.float32)
    names = np.array([[0, 0, 1], [0, 0, 1], [0, 1, 0], [1, 0, 0]], dtype=np.float32)
    places = label_places(texts, np.array([0, 0, 2, 2]), names)
    np.testing.assert_allclose(places[0], [0.5**0.5, 0.5**0.5, 0], atol=1e-6)
    assert places[1].tolist() == names[1].tolist()
    # Its two texts cancel out.
    assert places[2].tolist() == names[2].tolist()
    assert places.dtype == np.float32
    assert names[0].tolist() == [0, 0, 1]


def test_no_texts_at_all_leave_the_names() -> None:
    names = np.eye(3, dtype=np.float32)
    assert label_places(names[:0], np.array([], dtype=np.int64), names).tolist() == names.tolist()
