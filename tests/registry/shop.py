"""A retriever `shop` in MLflow: its days, its aliases, its registered training sets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mlflow import MlflowClient

SET = {"model": "shop-training-set", "version": "7", "digest": "ab" * 32}
NEXT = {"model": "shop-training-set", "version": "8", "digest": "cd" * 32}


def client_of(uri: str) -> MlflowClient:
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def day(number: int) -> datetime:
    return datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(days=number - 1)


def aliases(uri: str) -> dict[str, str]:
    found = client_of(uri).get_registered_model("shop").aliases
    return {alias: str(version) for alias, version in found.items()}


def registered_set(uri: str, digest: str) -> None:
    client = client_of(uri)
    client.create_registered_model("shop-training-set")
    for number in range(1, 8):
        client.create_model_version("shop-training-set", f"s3://sets/{number}",
                                    tags={"digest": digest, "interval": f"interval-{number}"})  # fmt: skip
