"""Settings of alerts: a file that many read names connections, not secrets."""

from typing import Any

import pytest
from pydantic import ValidationError

from synalign.config import Notifier

CLASS = "airflow.providers.smtp.notifications.smtp.SmtpNotifier"


@pytest.mark.parametrize(
    "arguments",
    [
        {"password": "x"},
        {"slack_webhook_url": "x"},
        {"API_KEY": "x"},
        {"url": "https://user:x@host/"},
        {"urls": ["a", {"to": "https://hooks.slack.com/services/T0/B0/x"}]},
    ],
    ids=str,
)
def test_arguments_with_a_secret_are_refused_without_showing_it(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="must hold no secret"):
        Notifier(notifier=CLASS, arguments=arguments)


def test_the_id_of_a_connection_is_no_secret() -> None:
    arguments = {"slack_webhook_conn_id": "slack", "to": "team@example.com", "html": "{{ alert.html }}"}
    assert Notifier(notifier=CLASS, arguments=arguments).arguments == arguments


@pytest.mark.parametrize("name", ["Notifier", "a.b-c.D", "a..B", ".a.B", ""])
def test_a_notifier_is_a_class_with_its_module(name: str) -> None:
    with pytest.raises(ValidationError):
        Notifier(notifier=name)
