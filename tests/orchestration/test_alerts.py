"""Telling people: what is said, by which notifiers, and that one that fails does not silence the others."""

from __future__ import annotations

import asyncio
import email.message
import json
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import BaseNotifier

from synalign.config import Alerts, Notifier
from synalign.errors import ConfigurationError
from synalign.orchestration import alerts
from tests.adversarial import TEXTS

SMTP = "airflow.providers.smtp.notifications.smtp.SmtpNotifier"
TEMPLATES = {"subject": "{{ alert.subject }}", "html_content": "{{ alert.html }}"}


class Recorder(BaseNotifier):
    """Knows the synchronous way only, as many notifiers do."""

    template_fields = ("text", "file")

    def __init__(self, text: str, file: str) -> None:
        super().__init__()
        self.text, self.file = text, file

    def notify(self, context: Any) -> None:
        Path(self.file).write_text(self.text)


class Refuser(BaseNotifier):
    """Cannot be reached."""

    def notify(self, context: Any) -> None:
        raise ConnectionError("nobody there")


def context(exception: BaseException | str | None = None) -> dict[str, Any]:
    task = SimpleNamespace(
        dag_id="refresh__shop", task_id="ingest", run_id="by hand", try_number=2, log_url="http://airflow/log"
    )
    return {"ti": task} | ({} if exception is None else {"exception": exception})


def recorder(file: Path, text: str = "{{ alert.subject }}|{{ alert.text }}|{{ alert.url }}") -> Notifier:
    return Notifier(notifier=f"{__name__}.Recorder", arguments={"text": text, "file": str(file)})


def body(message: email.message.Message) -> str:
    (part,) = message.get_payload()
    return part.get_payload(decode=True).decode()


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A mail server on this machine, and Airflow's connection to it."""
    received: list[str] = []

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            while line := self.rfile.readline().decode().strip():
                if line.upper() == "DATA":
                    self.wfile.write(b"354 go on\r\n")
                    received.append(b"".join(iter(self.rfile.readline, b".\r\n")).decode())
                self.wfile.write(b"221 bye\r\n" if line.upper() == "QUIT" else b"250 fine\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        extra = {"disable_tls": True, "disable_ssl": True, "from_email": "airflow@example.com"}
        connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": server.server_address[1], "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
        yield received
        server.shutdown()


def test_a_failed_task_is_told_with_its_error_and_what_to_do(tmp_path: Path) -> None:
    error = ConfigurationError("sampling.batches == 0, must be >= 1.", remedy="mend it")
    alerts.Failure(recorder(tmp_path / "told"))(context(error))
    subject, text, url = (tmp_path / "told").read_text().split("|")
    assert subject == "refresh__shop: ingest failed"
    assert "run by hand, try 2" in text
    assert "sampling.batches == 0, must be >= 1.\nWhat to do: mend it" in text
    assert "clear the task" in text
    assert url == "http://airflow/log"


def test_a_task_that_was_lost_is_told_without_an_error() -> None:
    assert "its worker ended" in alerts.failed(context()).text


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_what_users_typed_is_text_in_html(text: str) -> None:
    made = alerts.failed(context(text)).html
    assert "<script" not in made.lower()
    assert "<img" not in made.lower()
    assert "onerror=" not in made.lower() or "&lt;" in made


def test_templates_in_an_error_are_not_rendered(tmp_path: Path) -> None:
    alerts.Failure(recorder(tmp_path / "told", "{{ alert.text }}"))(context("{{ 7 * 191 }}"))
    assert "{{ 7 * 191 }}" in (tmp_path / "told").read_text()


def test_a_late_run_is_told_to_everybody_who_can_be_reached(tmp_path: Path) -> None:
    told = [
        Notifier(notifier=f"{__name__}.Refuser").model_dump(mode="json"),
        recorder(tmp_path / "told").model_dump(mode="json"),
    ]
    run = {"dag_run": {"dag_id": "refresh__shop", "dag_run_id": "manual/1"}, "deadline": {}}
    with pytest.raises(RuntimeError, match="nobody there"):
        asyncio.run(alerts.tell_late(told, 24.0, run))
    subject, text, url = (tmp_path / "told").read_text().split("|")
    assert subject == "refresh__shop: late"
    assert "Run manual/1 of refresh__shop is not finished 24 hours after it was queued" in text
    assert url.endswith("/dags/refresh__shop/runs/manual%2F1")


def test_a_real_notifier_sends_both_kinds_by_a_connection_of_airflows(mailbox: list[str]) -> None:
    notifier = Notifier(notifier=SMTP, arguments={"to": "search@example.com", **TEMPLATES})
    alerts.Failure(notifier)(context("<b>broken</b>"))
    run = {"dag_run": {"dag_id": "refresh__shop", "dag_run_id": "r1"}, "deadline": {}}
    asyncio.run(alerts.tell_late([notifier.model_dump(mode="json")], 6.0, run))
    failed, late = (email.message_from_string(message) for message in mailbox)
    assert (failed["Subject"], failed["To"]) == ("refresh__shop: ingest failed", "search@example.com")
    assert "&lt;b&gt;broken&lt;/b&gt;" in body(failed)
    assert (late["Subject"], late["To"]) == ("refresh__shop: late", "search@example.com")
    assert "6 hours" in body(late)


def test_a_deadline_counts_from_when_the_run_was_queued_and_carries_its_notifiers(tmp_path: Path) -> None:
    made = alerts.deadline(Alerts(deadline_hours=6, notifiers=(recorder(tmp_path / "told"),)))
    assert made is not None
    assert (type(made.reference).__name__, made.interval.total_seconds()) == ("DagRunQueuedAtDeadline", 6 * 3600)
    assert made.callback.path == "synalign.orchestration.alerts.tell_late"
    assert json.loads(json.dumps(made.callback.kwargs))["notifiers"][0]["notifier"] == f"{__name__}.Recorder"
    assert alerts.deadline(Alerts(deadline_hours=None)) is None


def test_a_run_by_hand_has_no_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["airflow", "dags", "test", "refresh__shop", "2026-03-01"])
    assert alerts.deadline(Alerts(deadline_hours=6)) is None
    monkeypatch.setattr("sys.argv", ["airflow", "dags", "reserialize"])
    assert alerts.deadline(Alerts(deadline_hours=6)) is not None


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("airflow.providers.nowhere.Notifier", {}, "cannot be imported"),
        ("airflow.providers.smtp.notifications.smtp.Nobody", {}, "cannot be imported"),
        ("json.loads", {}, "must be a notifier of Airflow"),
        (SMTP, {"subject": "x"}, "arguments of .* do not fit: .*'to'"),
    ],
)
def test_a_notifier_that_cannot_be_made_is_told_before_the_first_alert(
    name: str, arguments: dict[str, str], expected: str
) -> None:
    wrong = Alerts(notifiers=(Notifier(notifier=name, arguments=arguments),))
    with pytest.raises(ConfigurationError, match=f"shop.yaml: alerts.notifiers: .*{expected}"):
        alerts.check(Path("shop.yaml"), wrong)
