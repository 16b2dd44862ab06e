"""Where in a model registry a retriever's models are kept."""

from __future__ import annotations

from pydantic import Field

from synalign.config.closed import Closed


class Registry(Closed):
    """Names in the model registry; where it is, the environment says (`MLFLOW_REGISTRY_URI`)."""

    prefix: str | None = Field(
        None,
        pattern=r"^[a-z0-9_-]{1,255}\.[a-z0-9_-]{1,255}$",
        description="Catalog and schema of the registered models, as Unity Catalog asks for; null: names of one part.",
        examples=["main.search"],
    )
