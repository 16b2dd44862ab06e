"""Whom Airflow tells that a refresh failed or is late."""

from __future__ import annotations

import re

from pydantic import Field, JsonValue, field_validator
from pydantic_core import PydanticCustomError

from synalign.config.closed import CREDENTIALS, SECRET, Closed

# What a notifier's argument must not be called.
_SECRET = re.compile(r"passw|secret|token|api_?key|credential|webhook", re.IGNORECASE)


class Notifier(Closed):
    """Someone to tell, by any notifier that Airflow's providers bring."""

    notifier: str = Field(
        pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$",
        description="Class of the notifier, such as `airflow.providers.smtp.notifications.smtp.SmtpNotifier`.",
        examples=["airflow.providers.smtp.notifications.smtp.SmtpNotifier"],
    )
    arguments: dict[str, JsonValue] = Field(
        {},
        description="What the notifier is made with. Texts may use `{{ alert.subject }}`, `{{ alert.text }}`, "
        "`{{ alert.html }}` and `{{ alert.url }}`. Secrets belong into an Airflow connection: give its id.",
    )

    @field_validator("arguments")
    @classmethod
    def _no_secrets(cls, arguments: dict[str, JsonValue]) -> dict[str, JsonValue]:
        # The file is read by many, and logged with every run.
        secret = [name for name in arguments if _SECRET.search(name) and not name.endswith("_conn_id")]
        if secret or any(CREDENTIALS.search(str(value)) for value in arguments.values()):
            raise PydanticCustomError(SECRET, "must hold no secret: it belongs into an Airflow connection")
        return arguments


class Alerts(Closed):
    """Whom Airflow tells that a refresh failed or is late."""

    deadline_hours: float | None = Field(
        24.0, gt=0.0, le=720.0, description="Hours after which an unfinished refresh is late. null: never."
    )
    notifiers: tuple[Notifier, ...] = Field((), description="Whom to tell. None: Airflow's own pages show both.")
