"""docker/compose.yaml as plain processes need it: hosts, ports and paths mapped by one stated rule.

What a container has and a process has not:

| in compose.yaml                               | here                                                        |
|-----------------------------------------------|-------------------------------------------------------------|
| `service:port`, for ports in `expose`         | `127.0.0.1:` and a free port                                |
| `localhost:port`, for ports in `ports`        | the same                                                    |
| a service's own ports in its command          | its free ports                                              |
| a service's name as `--host`, `..._IP`, `..._HOSTNAME` | `127.0.0.1`                                        |
| `/run/secrets/NAME`                           | a file of a temporary folder                                |
| a volume's path                               | a folder of that volume's name, shared as the volume is     |
| a mounted file                                | a copy with these rules applied                             |
| `/opt/synalign`, `/opt/venv` of the image     | the checkout and its environment                            |
| any other path under `/var/lib`, `/home`      | a folder of the service's own                               |

The file is read by docker-compose itself, which also checks it; the image's entry point and environment are read from
docker/Dockerfile. Everything else is as it stands there.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

CHECKOUT = Path(__file__).resolve().parent.parent.parent
DOCKER = CHECKOUT / "docker"
LOOPBACK = "127.0.0.1"
_HOST_VARIABLE = re.compile(r"_(IP|HOSTNAME)$")


class Service(NamedTuple):
    """A service of compose.yaml, ready to be started as a process.

    Attributes:
        name: Its name in the file.
        command: Entry point and command.
        environment: Of the image and of the service; nothing is inherited from the tests.
        check: The health check's command; empty for a service that runs to its end.
        after: Services that it waits for, each with compose's condition.
        image: Whose image it runs in; `airflow` and `jobs` are ours.
    """

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]
    check: tuple[str, ...]
    after: dict[str, str]
    image: str


def configuration(variables: Mapping[str, str], file: Path = DOCKER / "compose.yaml") -> dict[str, Any]:
    """The compose file with its variables filled in, as docker-compose reads it.

    Args:
        variables: Those that the file asks for.
        file: Which file.

    Raises:
        RuntimeError: docker-compose is missing, or refuses the file; with its own words.
    """
    program = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]
    if shutil.which(program[0]) is None:
        raise RuntimeError("docker-compose is missing: apt-get install docker-compose (it needs no Docker engine here)")
    done = subprocess.run(
        [*program, "--file", str(file), "config"],
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    # Its output is a compose file again, in which a dollar sign is written twice.
    content: dict[str, Any] = yaml.safe_load(done.stdout.replace("$$", "$"))
    return content


def image_environment(target: str, dockerfile: Path = DOCKER / "Dockerfile") -> dict[str, str]:
    """The `ENV` lines of a target and of those it is made from; and under `ENTRYPOINT` the entry point."""
    stages: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in dockerfile.read_text().replace("\\\n", " ").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            current = stages[name.strip()] = dict(stages.get(base.strip(), {}))
        elif word == "ENV":
            current.update(re.findall(r'(\w+)="([^"]*)"', rest))
        elif word == "ENTRYPOINT":
            current["ENTRYPOINT"] = str(yaml.safe_load(rest)[0])
    return stages[target]


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


class OnLoopback:
    """What stands for the file's hosts, ports and paths here.

    Args:
        content: The file as docker-compose reads it.
        base: Folder for volumes, copies and secrets.
        secrets: Folder of the secrets' files.

    Attributes:
        ports: The free port for each service and port of the file.
    """

    def __init__(self, content: dict[str, Any], base: Path, secrets: Path) -> None:
        self._services, self._base, self._secrets = content["services"], base, secrets
        self.ports = {
            (name, int(str(port).split("/")[0])): free_port()
            for name, service in self._services.items()
            for port in service.get("expose", ())
        }
        self._published = {
            int(found[1]): self.ports[name, int(found[2])]
            for name, service in self._services.items()
            for port in service.get("ports", ())
            if (found := re.search(r"(\d+):(\d+)(?:/tcp)?$", _published(port)))
        }

    def service(self, name: str) -> Service:
        """A service as a process."""
        found = self._services[name]
        target = (found.get("build") or {}).get("target", "")
        image = image_environment(target) if target else {}
        entry = image.pop("ENTRYPOINT", None)
        paths = self._paths(name)
        environment = {
            key: self._variable(name, key, str(value), paths)
            for key, value in {**image, **(found.get("environment") or {})}.items()
        }
        command = [*([entry] if entry else []), *map(str, found.get("command") or ())]
        check = (found.get("healthcheck") or {}).get("test", [])
        shell = ["sh", "-c"] if check[:1] == ["CMD-SHELL"] else []
        return Service(
            name,
            tuple(self._arguments(name, command, paths)),
            environment,
            tuple(self._arguments(name, [*shell, *check[1:]], paths)),
            {other: said["condition"] for other, said in (found.get("depends_on") or {}).items()},
            target or str(found["image"]),
        )

    def text(self, text: str, paths: Mapping[str, Path] | None = None) -> str:
        """A text with addresses and paths replaced."""
        for (name, port), here in self.ports.items():
            text = re.sub(rf"(?<![\w.-]){re.escape(name)}:{port}(?!\d)", f"{LOOPBACK}:{here}", text)
        for port, here in self._published.items():
            text = re.sub(rf"(?<![\w.-])localhost:{port}(?!\d)", f"{LOOPBACK}:{here}", text)
        known = paths or {}
        # The longest first: a volume may lie within another's folder.
        wanted = "|".join(re.escape(path) for path in sorted(known, key=len, reverse=True))
        return re.sub(rf"(?<![\w.-])({wanted})(?![\w.-])", lambda at: str(known[at[1]]), text) if known else text

    def _paths(self, name: str) -> dict[str, Path]:
        """Host path for each path of a service's container."""
        own = self._base / "containers" / name
        paths = {"/opt/synalign": CHECKOUT, "/opt/venv": Path(sys.prefix), "/var/lib": own, "/data": own / "data"}
        paths["/home/synalign"] = own / "home"
        paths["/home/synalign"].mkdir(parents=True, exist_ok=True)
        paths |= {f"/run/secrets/{file.name}": file for file in self._secrets.iterdir()}
        mounted: list[tuple[Path, Path]] = []
        for volume in self._services[name].get("volumes", ()):
            source, target = _mount(volume)
            if "/" not in source:
                paths[target] = self._base / "volumes" / source
                paths[target].mkdir(parents=True, exist_ok=True)
            elif Path(source).is_file():
                paths[target] = own / "mounted" / Path(source).name
                mounted.append((Path(source), paths[target]))
            else:
                paths[target] = Path(source)
        for file, copy in mounted:
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(self.text(file.read_text(), paths))
            copy.chmod(0o755)
        return paths

    def _variable(self, service: str, name: str, value: str, paths: Mapping[str, Path]) -> str:
        if _HOST_VARIABLE.search(name) and value in self._services:
            return LOOPBACK
        return self.text(value, paths)

    def _arguments(self, service: str, command: Iterable[str], paths: Mapping[str, Path]) -> list[str]:
        own = {str(port): str(here) for (name, port), here in self.ports.items() if name == service}
        arguments: list[str] = []
        for argument in command:
            option, equals, value = argument.rpartition("=")
            before = option if equals or not arguments else arguments[-1]
            if value in own and "port" in before:
                arguments.append(f"{option}{equals}{own[value]}")
            elif value in self._services and before in ("--host", "-ip"):
                arguments.append(f"{option}{equals}{LOOPBACK}")
            else:
                arguments.append(self.text(argument, paths))
        return arguments


def _published(port: Any) -> str:
    """A published port in the short form, whichever form docker-compose chose."""
    return f"{port['published']}:{port['target']}" if isinstance(port, dict) else str(port)


def _mount(volume: Any) -> tuple[str, str]:
    """Source and target of a volume, whichever form docker-compose chose."""
    if isinstance(volume, dict):
        return str(volume["source"]), str(volume["target"])
    source, target = str(volume).split(":")[:2]
    return source, target
