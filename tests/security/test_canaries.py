"""Secrets wherever a deployment has one, a refresh that fails and one that succeeds: nothing written has them."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.request import Request, urlopen

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from synalign.local import services
from synalign.storage import Place
from synalign.writer.server import embedded_writer
from tests import s3

SYNALIGN = str(Path(sys.executable).with_name("synalign"))
BUCKET = "synalign"
# A word of its own in each, so that a find names its secret.
CANARIES = {
    "OPENAI_API_KEY": "canary-model-5b1f0e7c",
    "AWS_SECRET_ACCESS_KEY": "canary/storage+9d27c04e1f",
    "AWS_ACCESS_KEY_ID": "CANARYKEYID3C7A91",
    "MLFLOW_TRACKING_PASSWORD": "canary-mlflow-71e6d2aa",
    "PGPASSWORD": "canary-pg-0c5d9e33",
}
IN_ADDRESSES = {"AIRFLOW_CONN_STOCK": ("postgresql://stock:{}@127.0.0.1:9/stock", "canary-connection-c3b0d1e8")}
IN_SPARK = {
    "spark.authenticate.secret": "canary-spark-e8c91b04",
    "spark.executorEnv.OTHER_API_KEY": "canary-executor-41d0aa67",
    "spark.hadoop.fs.s3a.secret.key": "canary-hadoop-aa31f6c2",
}
QUERY = "canary lamp of jane roe"
# What a model, its endpoint and the shop's documents say: each a text of its own.
ATTRIBUTE = "canary attribute 8d21c4"
VALUE = "canary value 52e07b"
ANSWERED = "canary query of the model 3b9f16"
MODEL = "canary model name 77aa02"
REFUSED = "canary words of an error 1f6e90"
DOCUMENT = "canary manual of a lamp 64b1de"
WORDS = [QUERY, ATTRIBUTE, VALUE, ANSWERED, MODEL, REFUSED, DOCUMENT]
SECRETS = [*CANARIES.values(), *IN_SPARK.values(), *(canary for _, canary in IN_ADDRESSES.values())]


class Written(NamedTuple):
    """All that a refresh left behind.

    Attributes:
        said: What it printed, both times.
        folders: Local folders, every file of which it wrote.
        store: Run folders and cache.
        home: `$SYNALIGN_HOME`.
    """

    said: str
    folders: list[Path]
    store: Place
    home: Path


class _Refusing(BaseHTTPRequestHandler):
    """A model endpoint that quotes the key it was shown, in all it answers."""

    def do_POST(self) -> None:
        body = json.dumps({"error": {"message": f"bad key: {self.headers['Authorization']}"}}).encode()
        self.send_response(401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Nothing of it."""


@contextmanager
def refusing() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()


class _Dictating(BaseHTTPRequestHandler):
    """A model endpoint in front of the embedded writer: adds words to each answer, and refuses every fifth request."""

    url = ""
    asked = 0

    def do_POST(self) -> None:
        _Dictating.asked += 1
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if _Dictating.asked % 5 == 2:
            return self._send(500, {"error": {"message": REFUSED, "code": REFUSED}})
        request = Request(self.url + "/chat/completions", body, {"Content-Type": "application/json"})
        with urlopen(request) as response:
            answer = json.load(response)
        message = answer["choices"][0]["message"]
        content = json.loads(message["content"])
        if "attributes" in content:
            named = {"name": ATTRIBUTE, "values_seen": [VALUE], "values_generalised": [VALUE]}
            content["attributes"] = [*content["attributes"][:-1], named]
        else:
            content["documents"][0]["queries"][0] = ANSWERED
        message["content"] = json.dumps(content)
        self._send(200, {**answer, "model": MODEL})

    def _send(self, status: int, body: dict[str, object]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Nothing of it."""


@contextmanager
def dictating() -> Iterator[str]:
    with embedded_writer() as _Dictating.url:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Dictating)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, make_shop: Callable[..., Path]) -> Iterator[Written]:
    home, spark, events = (tmp_path_factory.mktemp(name) for name in ("home", "spark", "events"))
    yaml = make_shop(home, events=600, batches=2)
    type_query(home / "data" / "demo" / "query_log.parquet")
    write_document(home / "data" / "demo" / "documents.parquet")
    plain = yaml.read_text()
    settings = {**IN_SPARK, "spark.authenticate": "true", "spark.eventLog.enabled": "true"}
    settings |= {"spark.eventLog.dir": events.as_uri(), "spark.eventLog.compress": "false", "spark.ui.enabled": "true"}
    (spark / "spark-defaults.conf").write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
    running = s3.server()
    threading.Thread(target=running.serve_forever, daemon=True).start()
    s3.make_bucket(running.port, BUCKET)
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYSPARK_SUBMIT_ARGS"},
        **CANARIES,
        **{name: address.format(canary) for name, (address, canary) in IN_ADDRESSES.items()},
        "AWS_ENDPOINT_URL": f"http://{s3.HOST}:{running.port}",
        "SYNALIGN_HOME": str(home),
        "SYNALIGN_STORE": f"s3://{BUCKET}/team",
        "SPARK_CONF_DIR": str(spark),
    }

    def refresh(endpoint: str) -> subprocess.CompletedProcess[str]:
        yaml.write_text(plain + f"generation: {{endpoint: '{endpoint}'}}\n")
        command = [SYNALIGN, "--debug", "refresh", str(yaml), "--date", "2026-03-01"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    try:
        with refusing() as endpoint:
            failed = refresh(endpoint)
        assert failed.returncode == 2, failed.stdout + failed.stderr
        with dictating() as endpoint:
            done = refresh(endpoint)
        assert done.returncode == 0, done.stdout + done.stderr
        said = failed.stdout + failed.stderr + done.stdout + done.stderr
        with pytest.MonkeyPatch.context() as patch:
            for name in (*CANARIES, "AWS_ENDPOINT_URL"):
                patch.setenv(name, environment[name])
            yield Written(said, [home, events], Place(environment["SYNALIGN_STORE"]), home)
    finally:
        running.shutdown()
        running.server_close()


def type_query(log: Path) -> None:
    """Put a query into a log that nobody else typed, of three users in three moments, for a document that is there."""
    rows = pq.read_table(log)
    known = rows.filter(pc.is_valid(rows["document_id"])).slice(0, 3)
    column = rows.schema.get_field_index("query")
    typed = known.set_column(column, rows.schema.field(column), [[QUERY] * known.num_rows])
    pq.write_table(pa.concat_tables([rows, typed]), log)


def write_document(documents: Path) -> None:
    """Begin the text of every document with words of its own."""
    rows = pq.read_table(documents)
    column = rows.schema.get_field_index("text")
    begun = pc.binary_join_element_wise(DOCUMENT, rows["text"], ". ")
    pq.write_table(rows.set_column(column, rows.schema.field(column), begun), documents)


def texts(written: Written) -> Iterator[tuple[str, bytes]]:
    """Everything written, by where it lies; tables as text, since Parquet compresses."""
    yield "what it printed", written.said.encode()
    for folder in written.folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                yield str(path), path.read_bytes()
    for place, _ in written.store.tree():
        yield str(place), place.read_bytes()


def as_text(content: bytes) -> bytes:
    return repr(pq.read_table(io.BytesIO(content)).to_pydict()).encode() if content.startswith(b"PAR1") else content


def test_no_secret_is_anywhere(written: Written) -> None:
    found = [
        (where, secret)
        for where, content in texts(written)
        for secret in SECRETS
        if secret.encode() in as_text(content)
    ]
    assert found == []


def test_it_was_looked_for_where_it_could_be(written: Written) -> None:
    names = " ".join(where for where, _ in texts(written))
    for part in ("airflow.db", "mlflow.db", "/logs/refresh-", "report.html", "manifest.json", "/journal/responses",
                 "part-00000.parquet", "/artifacts/", "embeddings", "eventlog_v2"):  # fmt: skip
        assert part in names, part


def test_a_users_query_is_in_tables_and_in_no_log_nor_in_airflows_database(written: Written) -> None:
    found = [where for where, content in texts(written) if QUERY.encode() in as_text(content)]
    assert any("/queries/" in where for where in found)
    told = [
        where for where in found if where == "what it printed" or "/logs/" in where or "airflow" in Path(where).name
    ]
    assert told == []


@pytest.mark.parametrize("words", WORDS)
def test_words_of_users_models_and_documents_are_nowhere_in_airflows_database(written: Written, words: str) -> None:
    everywhere = [where for where, content in texts(written) if words.encode() in as_text(content)]
    if words not in (REFUSED, MODEL):
        assert everywhere, "it was not there at all"
    for path in (written.home / "airflow").rglob("airflow.db*"):
        assert words.encode() not in path.read_bytes(), path


def test_the_refused_key_is_told_of_without_it(written: Written) -> None:
    assert "refused the API key in OPENAI_API_KEY" in " ".join(written.said.split())
    assert "EndpointError" in written.said


def test_sparks_own_pages_show_that_there_is_a_secret_and_not_which(written: Written) -> None:
    logs = b"".join(path.read_bytes() for path in written.folders[1].rglob("*") if path.is_file())
    updates = [json.loads(line) for line in logs.splitlines() if b'"SparkListenerEnvironmentUpdate"' in line]
    assert updates
    for update in updates:
        for name in ("spark.authenticate.secret", "spark.executorEnv.OTHER_API_KEY"):
            assert "redacted" in update["Spark Properties"][name]


def test_files_with_secrets_are_their_owners_alone(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNALIGN_HOME", str(written.home))
    services.environment(services.Ports.from_environment(), servers=False)
    for name in ("jwt_secret", "secret_key", "passwords.json", "airflow.cfg"):
        mode = stat.S_IMODE((written.home / "airflow" / name).stat().st_mode)
        assert mode == 0o600, f"{name} {mode:o}"
    assert stat.S_IMODE((written.home / "airflow").stat().st_mode) == 0o700
