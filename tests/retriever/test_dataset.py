"""A training set as sentence-transformers' trainer takes it."""

from pathlib import Path

import pyarrow as pa
import pytest

from synalign.errors import InputError
from synalign.retriever.dataset import training_dataset
from tests.retriever.library_training import training_set


def test_a_folder_that_is_no_training_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        training_dataset(tmp_path / "nothing")
    with pytest.raises(InputError, match="no column document, weight"):
        training_dataset(pa.table({"query": ["a"], "split": ["train"]}))
    with pytest.raises(InputError, match="no row of the split train"):
        training_dataset(training_set([1.0] * 8).slice(8))
