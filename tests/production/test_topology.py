"""A calm refresh through the whole topology: every service of docker/compose.yaml, and nothing in between."""

import json
import re
import subprocess
import urllib.error
import urllib.request
from typing import Any

import psutil
import psycopg2
import pytest

from synalign import flow
from tests.production.alone import INTERVAL, Alone, digests
from tests.production.conftest import Production

SPARK_STEPS = [step.name for step in flow.STEPS if step.engine == "spark"]


@pytest.fixture(scope="module")
def alone(production: Production, tmp_path_factory: pytest.TempPathFactory) -> Alone:
    """The same refresh by `synalign refresh` on one machine without any server, beside that of the topology."""
    return Alone(production, tmp_path_factory.mktemp("alone"))


@pytest.fixture(scope="module")
def refreshed(production: Production, alone: Alone) -> Production:
    """The topology after one refresh of the retriever `small`."""
    tasks = production.calm()
    assert set(tasks) == {step.name for step in flow.STEPS} | {"turn", "publish"}
    return production


def spark_page(production: Production) -> dict[str, Any]:
    """What Spark's master says of itself."""
    with urllib.request.urlopen(f"http://{production.topology.address('spark-master', 8082)}/json/") as page:
        return json.loads(page.read())


def test_the_set_is_that_of_one_machine_byte_for_byte(refreshed: Production, alone: Alone) -> None:
    found = digests([refreshed.manifest("small", INTERVAL, step.name) for step in flow.STEPS])
    assert found == alone.digests()
    assert found["training_set"]


def test_run_folders_are_in_object_storage_and_on_no_disk(refreshed: Production) -> None:
    keys = refreshed.keys("store/runs/")
    assert f"store/runs/small/{INTERVAL}/register/manifest.json" in keys
    homes = [refreshed.topology.base / "volumes" / "synalign-home", *(refreshed.topology.base / "containers").iterdir()]
    assert [file for home in homes for file in home.rglob("*.parquet")] == []
    # Every file belongs to an attempt that is whole.
    attempts = {found[1] for key in keys if (found := re.match(r"(.*/\d{8}T\d{6}Z-[0-9a-f]{8})/", key))}
    assert len(attempts) == len(flow.STEPS)
    assert {f"{attempt}/manifest.json" for attempt in attempts} <= keys


def test_spark_steps_ran_on_the_cluster(refreshed: Production) -> None:
    page = spark_page(refreshed)
    names = {application["name"] for application in page["completedapps"]}
    assert {f"synalign {step} small" for step in SPARK_STEPS} <= names
    assert {worker["state"] for worker in page["workers"]} == {"ALIVE"}
    assert len(page["workers"]) == 2
    used = [list((refreshed.topology.base / "volumes" / f"spark-worker-{one}").glob("app-*/*")) for one in (1, 2)]
    assert all(used), "one worker had no executor"


def test_the_version_is_in_mlflow_by_the_jobs_own_user_with_artefacts_in_storage(refreshed: Production) -> None:
    version = refreshed.mlflow("registered-models/alias?name=small-training-set&alias=current")["model_version"]
    tags = {tag["key"]: tag["value"] for tag in version["tags"]}
    manifest = refreshed.manifest("small", INTERVAL, "register")
    assert (version["version"], tags["digest"]) == ("1", manifest["metrics"]["digest"])
    run = refreshed.mlflow(f"runs/get?run_id={version['run_id']}")["run"]
    assert run["info"]["user_id"] is not None
    assert [key for key in refreshed.keys("mlflow/") if key.endswith("/report.html")]
    assert tags["location"].startswith("s3://synalign/store/runs/small/")


@pytest.mark.parametrize(
    ("service", "port", "path"),
    [
        ("api-server", 8080, "/api/v2/dags"),
        ("mlflow", 5000, "/api/2.0/mlflow/registered-models/search"),
    ],
)
def test_nobody_is_let_in_without_a_login(production: Production, service: str, port: int, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://{production.topology.address(service, port)}{path}")
    assert refused.value.code == 401


def test_a_database_is_open_to_its_owner_alone(production: Production) -> None:
    topology = production.topology
    place = {"host": "127.0.0.1", "port": int(topology.address("postgres", 5432).split(":")[1])}
    password = topology.secret("mlflow_database_password")
    psycopg2.connect(**place, user="mlflow", dbname="mlflow_users", password=password).close()
    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(**place, user="mlflow", dbname="mlflow", password="mlflow")
    with pytest.raises(psycopg2.OperationalError, match="permission denied"):
        psycopg2.connect(**place, user="mlflow", dbname="airflow", password=password)


def test_everything_listens_on_loopback_only(production: Production) -> None:
    family = {process.pid: process for process in production.topology.family()}
    found = [one for one in psutil.net_connections("inet") if one.pid in family and one.status == psutil.CONN_LISTEN]
    assert found
    open_ = {one.laddr for one in found if one.laddr.ip not in ("127.0.0.1", "::1", "::ffff:127.0.0.1")}
    assert open_ == set()


def test_what_is_written_holds_no_secret(refreshed: Production) -> None:
    topology = refreshed.topology
    secrets = {file.name: file.read_bytes().strip() for file in topology.secrets.iterdir()}
    secrets = {name: secret for name, secret in secrets.items() if len(secret) > 20 and name != "storage_identities"}
    assert len(secrets) == 13
    places = {}
    for folder in ("logs", "volumes", "scratch", "home"):
        for file in (topology.base / folder).rglob("*"):
            # PostgreSQL's own files are looked through by what it gives out.
            if file.is_file() and "postgres" not in file.relative_to(topology.base).parts:
                places[str(file)] = file.read_bytes()
    for database in ("airflow", "mlflow", "mlflow_users"):
        places[database] = dump(refreshed, database)
    storage = refreshed.storage()
    places |= {key: storage.get_object(Bucket="synalign", Key=key)["Body"].read() for key in refreshed.keys("")}
    for name, text in refreshed.pages().items():
        places[name] = text
    assert len(places) > 100
    found = [
        (place, name) for place, content in places.items() for name, secret in secrets.items() if secret in content
    ]
    assert found == []


def dump(production: Production, database: str) -> bytes:
    """All that stands in a database, as text."""
    host, port = production.topology.address("postgres", 5432).split(":")
    environment = {
        **production.topology.environment("postgres"),
        "PGPASSWORD": production.topology.secret("postgres_password"),
    }
    command = ["pg_dump", "--host", host, "--port", port, "--username", "postgres", database]
    return subprocess.run(command, env=environment, capture_output=True, check=True).stdout


def test_doctor_finds_every_service_from_where_jobs_run(production: Production) -> None:
    file = str(production.retrievers / "small.yaml")
    done = production.topology.run("scheduler", "synalign", "doctor", file)
    assert done.returncode == 0, done.stdout + done.stderr
