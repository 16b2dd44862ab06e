"""docker/: images and compose file, as far as no Docker engine is needed; the rest is what test_topology.py starts."""

import json
import os
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.fernet import Fernet

from tests.production.compose import CHECKOUT, DOCKER, OnLoopback, Service, configuration, image_environment

VARIABLES = ("SECRETS", "RETRIEVERS", "DATA", "IMAGE_TAG")
ONCE = ("storage-init", "mlflow-init", "airflow-init")
SECRET = re.compile(r"password|passwd|secret|token|api_?key|access_key|fernet|jwt", re.IGNORECASE)
NO_SECRET = ("SYNALIGN_OUTCOME",)


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "secrets"
    subprocess.run([sys.executable, DOCKER / "make_secrets.py", folder], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def given(secrets: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = str(tmp_path_factory.mktemp("given"))
    return {"SECRETS": str(secrets), "RETRIEVERS": folder, "DATA": folder, "IMAGE_TAG": "test"}


@pytest.fixture(scope="module")
def content(given: dict[str, str]) -> dict[str, Any]:
    return configuration(given)


@pytest.fixture(scope="module")
def services(content: dict[str, Any], secrets: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Service]:
    here = OnLoopback(content, tmp_path_factory.mktemp("base"), secrets)
    return {name: here.service(name) for name in content["services"]}


def test_the_dockerfile_has_no_complaint_of_hadolint() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, DOCKER / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("missing", VARIABLES)
def test_compose_refuses_to_start_without_what_has_no_default(given: dict[str, str], missing: str) -> None:
    with pytest.raises(RuntimeError, match=missing):
        configuration({name: value for name, value in given.items() if name != missing})


def test_the_example_of_the_environment_asks_for_just_that(given: dict[str, str]) -> None:
    lines = (DOCKER / ".env.example").read_text().splitlines()
    asked = {line.removesuffix("=") for line in lines if line.endswith("=") and not line.startswith("#")}
    assert asked == set(VARIABLES)
    used = set(re.findall(r"\$\{(\w+)", (DOCKER / "compose.yaml").read_text()))
    offered = {found[1] for line in lines if (found := re.match(r"# (\w+)=", line))}
    assert used == asked | offered


def test_every_image_is_pinned_by_a_version(content: dict[str, Any]) -> None:
    stages = re.findall(r"^FROM (\S+) AS (\S+)$", (DOCKER / "Dockerfile").read_text(), re.MULTILINE)
    bases = {base for base, _ in stages} - {name for _, name in stages}
    foreign = [found["image"] for found in content["services"].values() if "build" not in found]
    assert bases == {"python:3.11.14-slim-bookworm"}
    assert len(foreign) == 2
    for image in foreign:
        assert re.search(r":v?\d+\.\d+", image), image


def test_our_processes_have_no_root_no_capabilities_and_can_get_none(content: dict[str, Any]) -> None:
    _, *stages = re.split(r"^FROM ", (DOCKER / "Dockerfile").read_text(), flags=re.MULTILINE)
    for target in {found["build"]["target"] for found in content["services"].values() if "build" in found}:
        (stage,) = (stage for stage in stages if stage.splitlines()[0].endswith(f" AS {target}"))
        assert re.findall(r"^USER (\S+)", stage, re.MULTILINE)[-1] == "50000:0", target
    for name, found in content["services"].items():
        if "build" in found:
            assert found["cap_drop"] == ["ALL"], name
            assert found["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in found
        assert "user" not in found


def test_no_secret_stands_in_the_file_or_in_a_layer(content: dict[str, Any], secrets: Path) -> None:
    made = [file.read_text() for file in secrets.iterdir()]
    for name, found in content["services"].items():
        for variable, value in (found.get("environment") or {}).items():
            if SECRET.search(variable) and variable not in NO_SECRET:
                assert "/run/secrets/" in str(value), f"{name}: {variable}"
    text = (DOCKER / "compose.yaml").read_text() + (DOCKER / "Dockerfile").read_text()
    assert not [secret for secret in made if len(secret) > 20 and secret in text]
    assert not SECRET.search(" ".join(image_environment("jobs")))
    # What a build is given stays in its history.
    assert re.findall(r"^ARG (\w+)", (DOCKER / "Dockerfile").read_text(), re.MULTILINE) == ["ENGINES", "TORCH_BACKEND"]
    # A build sees nothing but what it copies.
    assert (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()[1] == "*"


def test_every_secret_is_given_to_those_that_read_it_and_to_no_others(content: dict[str, Any], secrets: Path) -> None:
    assert {name: Path(found["file"]).name for name, found in content["secrets"].items()} == {
        file.name: file.name for file in secrets.iterdir()
    }
    mounted = {"databases.sh": (DOCKER / "databases.sh").read_text()}
    for name, found in content["services"].items():
        text = json.dumps([found.get("environment"), found.get("command")])
        text += "".join(mounted[Path(str(volume).split(":")[0]).name] for volume in found.get("volumes", ())
                        if Path(str(volume).split(":")[0]).name in mounted)  # fmt: skip
        given = {secret["source"] if isinstance(secret, dict) else secret for secret in found.get("secrets", ())}
        assert given == set(re.findall(r"/run/secrets/(\w+)", text)), name


def test_everything_starts_by_health_and_ends_up_healthy(content: dict[str, Any]) -> None:
    for name, found in content["services"].items():
        assert bool(found.get("healthcheck")) != (name in ONCE), name
        assert found["restart"] == ("no" if name in ONCE else "unless-stopped")
        for other, said in (found.get("depends_on") or {}).items():
            wanted = "service_completed_successfully" if other in ONCE else "service_healthy"
            assert said["condition"] == wanted, f"{name} after {other}"


def test_state_is_kept_in_volumes_and_only_pages_are_published_on_this_machine_alone(content: dict[str, Any]) -> None:
    assert set(content["volumes"]) == {
        *("postgres", "storage", "airflow-logs", "synalign-home", "spark-worker-1", "spark-worker-2")
    }
    published = {name: found["ports"] for name, found in content["services"].items() if "ports" in found}
    assert set(published) == {"api-server", "mlflow"}
    assert all("127.0.0.1" in str(ports) for ports in published.values())


def test_every_port_of_the_file_belongs_to_one_service(content: dict[str, Any]) -> None:
    exposed = [str(port) for found in content["services"].values() for port in found.get("expose", ())]
    assert len(exposed) == len(set(exposed))
    text = (DOCKER / "compose.yaml").read_text() + (DOCKER / "mlflow-users.ini").read_text()
    for host, port in re.findall(r"(?<![\w.-])([a-z][\w-]+):(\d{4,5})(?!\d)", text):
        if host != "localhost":
            assert port in map(str, content["services"][host]["expose"]), f"{host}:{port}"


def test_as_processes_they_get_every_variable_and_argument_with_nothing_of_a_container_left(
    content: dict[str, Any], services: dict[str, Service]
) -> None:
    names = "|".join(content["services"])
    for name, service in services.items():
        found = content["services"][name]
        image = image_environment(found["build"]["target"]) if "build" in found else {}
        assert set(service.environment) == (set(image) | set(found.get("environment") or {})) - {"ENTRYPOINT"}
        assert len(service.command) == len(found["command"]) + ("build" in found)
        if name == "storage":
            continue
        for text in (*service.command, *service.environment.values(), *service.check):
            assert not re.search(rf"(?<![\w.-])({names}):\d|/run/secrets|/opt/(synalign|venv)|/var/lib/", text), text
            assert not re.search(r"(?<![\w.-])localhost:\d", text), text


def test_paths_of_processes_exist_or_are_theirs(services: dict[str, Service]) -> None:
    entry = services["scheduler"].command[0]
    assert entry == str(DOCKER / "entrypoint")
    assert os.access(entry, os.X_OK)
    assert os.access(DOCKER / "bin" / "synalign", os.X_OK)
    for service in services.values():
        for argument in service.command[1:]:
            if argument.startswith(str(CHECKOUT)):
                assert Path(argument).is_file(), argument


def test_volumes_are_shared_where_the_file_shares_them(services: dict[str, Service]) -> None:
    logs = {services[name].environment["AIRFLOW__LOGGING__BASE_LOG_FOLDER"] for name in ("scheduler", "api-server")}
    homes = {services[name].environment["AIRFLOW_HOME"] for name in ("scheduler", "api-server")}
    assert (len(logs), len(homes)) == (1, 2)


def test_secrets_are_random_closed_to_others_and_never_replaced(secrets: Path, tmp_path: Path) -> None:
    made = {file.name: file.read_text() for file in secrets.iterdir()}
    random = [text for name, text in made.items() if name not in ("storage_identities", "model_api_key")]
    assert len(set(random)) == len(random)
    assert min(map(len, random)) >= 43
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    Fernet(made["airflow_fernet_key"])
    (identity,) = json.loads(made["storage_identities"])["identities"]
    assert identity["credentials"] == [
        {"accessKey": made["storage_access_key"], "secretKey": made["storage_secret_key"]}
    ]
    (secrets / "spark_secret").unlink()
    said = subprocess.run([sys.executable, DOCKER / "make_secrets.py", secrets], capture_output=True, text=True)
    again = {file.name: file.read_text() for file in secrets.iterdir()}
    assert again.keys() == made.keys()
    assert {name for name in made if again[name] != made[name]} == {"spark_secret"}
    assert not [secret for secret in random if secret in said.stdout + said.stderr]


def entrypoint(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run(
        [DOCKER / "entrypoint", *command], env=environment, capture_output=True, text=True, check=False
    )


def test_the_entry_point_reads_secrets_from_files(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("a 'b' $c\n")
    done = entrypoint("sh", "-c", 'printf %s "$WANTED"; env | grep SECRET_', SECRET_WANTED=str(tmp_path / "key"))
    assert done.stdout == "a 'b' $c"


@pytest.mark.parametrize("exists", [True, False])
def test_the_entry_point_refuses_a_secret_that_is_empty_or_missing(tmp_path: Path, exists: bool) -> None:
    if exists:
        (tmp_path / "key").touch()
    done = entrypoint("true", SECRET_WANTED=str(tmp_path / "key"))
    assert (done.returncode, str(tmp_path / "key") in done.stderr) == (78, True)


def test_sparks_secret_goes_into_a_file_of_its_owner_and_into_no_environment(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("canary-of-spark\n")
    look = 'stat -c "%a %n" "$SPARK_CONF_DIR"/* "$SPARK_CONF_DIR"; cat "$SPARK_CONF_DIR"/*; echo --; env'
    settings = str(DOCKER / "spark-defaults.conf")
    done = entrypoint("sh", "-c", look, SPARK_SETTINGS=settings, SPARK_SECRET=str(tmp_path / "secret"),
                      TMPDIR=str(tmp_path))  # fmt: skip
    file, _, environment = done.stdout.partition("\n--\n")
    modes = [line.split()[0] for line in file.splitlines()[:2]]
    assert modes == ["600", "700"]
    assert file.endswith("spark.authenticate.secret canary-of-spark")
    assert "canary-of-spark" not in environment


def test_the_entry_point_leaves_a_process_alone_that_comes_from_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    settings = str(DOCKER / "spark-defaults.conf")
    twice = f'echo "$SPARK_CONF_DIR"; exec {DOCKER}/entrypoint sh -c \'echo "$SPARK_CONF_DIR"\''
    done = entrypoint("sh", "-c", twice, SPARK_SETTINGS=settings, SPARK_SECRET=str(tmp_path / "secret"),
                      TMPDIR=str(tmp_path))  # fmt: skip
    first, second = done.stdout.split()
    assert first == second


@pytest.mark.parametrize("variables", [{}, {"SPARK_CONF_DIR": ""}])
def test_the_entry_point_says_where_it_may_not_write(tmp_path: Path, variables: dict[str, str]) -> None:
    (tmp_path / "secret").write_text("x")
    done = entrypoint("true", SPARK_SETTINGS=str(DOCKER / "spark-defaults.conf"), TMPDIR=str(tmp_path / "none"),
                      SPARK_SECRET=str(tmp_path / "secret"), **variables)  # fmt: skip
    assert done.returncode == 78
    assert done.stderr == (
        f"entrypoint: {tmp_path}/none cannot be written to; mount a tmpfs there, or set TMPDIR to a folder\n"
    )


@pytest.mark.parametrize("secret", ["plain", "a/b@c:d?e#f%g h", "ключ"])
def test_a_secret_within_a_url_is_the_password_whatever_it_holds(tmp_path: Path, secret: str) -> None:
    (tmp_path / "file").write_text(secret + "\n")
    command = [sys.executable, DOCKER / "secret.py", tmp_path / "file"]
    whole = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    url = subprocess.run([*command, "postgresql://u:SECRET@h:1/d"], capture_output=True, text=True, check=True).stdout
    from sqlalchemy import make_url

    assert (whole, make_url(url).password, urlsplit(url).hostname) == (secret, secret, "h")


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"scheduler": {"status": "unhealthy"}, "metadatabase": {"status": "healthy"}, "status": "ALIVE"}'
        self.send_response(503 if self.path == "/down" else 200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def page() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("arguments", "healthy"),
    [
        ([""], True),
        (["", "metadatabase"], True),
        (["", "scheduler"], False),
        (["", "triggerer"], False),
        (["", "status=ALIVE"], True),
        (["", "status=STANDBY"], False),
        (["/down"], False),
    ],
)
def test_health_is_what_the_page_says(page: str, arguments: list[str], healthy: bool) -> None:
    path, *rest = arguments
    done = subprocess.run([sys.executable, DOCKER / "healthy.py", page + path, *rest], capture_output=True, check=False)
    assert (done.returncode == 0) == healthy
