"""Airflow's assets: a retriever's training set, which the refresh emits, and those whose update starts a refresh."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Asset

from synalign.config import Schedule
from synalign.errors import ConfigurationError


def training_set(retriever: str) -> Asset:
    """Return the asset of a retriever's training set."""
    return Asset(name=f"{retriever}-training-set", uri=f"synalign://training-set/{retriever}", group="synalign")


def awaited(schedule: Schedule) -> list[Any]:
    """Return the assets whose update starts a refresh, as Airflow's `schedule` takes them; none where cron does.

    A URI declares its asset, as `Asset(uri)` in any other DAG does; a name is that of an asset which another declares.

    Raises:
        ConfigurationError: Airflow does not take one.
    """
    return [_awaited(name) for name in schedule.assets]


def _awaited(name: str) -> Any:
    try:
        return Asset(name) if "://" in name else Asset.ref(name=name)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"schedule.asset == {name!r}, is no asset of Airflow: {error}.",
            remedy="write the URI as the DAG that updates the asset does, or the asset's name",
        ) from error
