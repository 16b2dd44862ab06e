"""What Airflow calls a training set, and which assets start a refresh: the same for all DAGs that name them."""

from datetime import date

import pytest

from synalign.config import Schedule
from synalign.errors import ConfigurationError


@pytest.mark.airflow
def test_a_retriever_has_one_asset_and_another_has_another() -> None:
    from synalign.orchestration.assets import training_set

    assert training_set("shop") == training_set("shop")
    assert training_set("shop").uri == "synalign://training-set/shop"
    assert training_set("blog").name != training_set("shop").name


@pytest.mark.airflow
def test_a_uri_declares_its_asset_and_a_name_refers_to_one() -> None:
    from airflow.sdk import Asset

    from synalign.orchestration.assets import awaited

    start = date(2026, 1, 1)
    assert awaited(Schedule(start=start)) == []
    assert awaited(Schedule(start=start, asset="s3://lake/log")) == [Asset("s3://lake/log")]
    both = awaited(Schedule(start=start, asset=("s3://lake/log", "documents")))
    assert both == [Asset("s3://lake/log"), Asset.ref(name="documents")]


@pytest.mark.airflow
def test_what_airflow_takes_for_no_asset_is_refused() -> None:
    from synalign.orchestration.assets import awaited

    with pytest.raises(ConfigurationError, match=r"schedule\.asset == 'airflow://x', is no asset of Airflow: "):
        awaited(Schedule(start=date(2026, 1, 1), asset="airflow://x"))


def test_an_asset_with_a_login_is_refused() -> None:
    with pytest.raises(ValueError, match="must hold no login"):
        Schedule(start=date(2026, 1, 1), asset="postgres://joe:secret@db/table")
