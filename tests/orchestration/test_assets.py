"""What Airflow calls a training set: one name for the refresh that emits it and the training that waits for it."""

import pytest


@pytest.mark.airflow
def test_a_retriever_has_one_asset_and_another_has_another() -> None:
    from synalign.orchestration.assets import training_set

    assert training_set("shop") == training_set("shop")
    assert training_set("shop").uri == "synalign://training-set/shop"
    assert training_set("blog").name != training_set("shop").name
