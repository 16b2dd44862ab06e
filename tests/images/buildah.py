"""Images built, looked into and removed by buildah: no daemon, no Docker engine; as root, on Linux.

Everything lies in a folder of its own, never in the machine's own image storage: what stands in there for the official
base image would otherwise be taken for it by the next build of somebody else.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(os.environ.get("SYNALIGN_TEST_IMAGE_STORAGE", "/var/tmp/synalign-test-images"))
"""Layers stay here for the next build: `python -m tests.images.buildah remove` removes them."""

UNKNOWN = "12345:0"
"""A user id that a platform chose."""

RAW = re.compile(r"Traceback \(most recent call last\)|a fault in SynAlign|nobody has met this|ModuleNotFoundError")
"""What nobody may ever be shown."""

PROGRAMS = ("buildah", "debootstrap")
_ISOLATION = ("--isolation", "chroot")


def problem() -> str | None:
    """What keeps images from being built here, or None."""
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        return f"{' and '.join(missing)} missing: apt-get install {' '.join(missing)}"
    if os.geteuid() != 0:
        return "images are built in a chroot, which only root may enter"
    return None


def buildah(*arguments: str, seconds: float = 1800, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run buildah on the storage of these tests.

    Raises:
        RuntimeError: It failed, and `check` is set; with the end of what it printed.
    """
    storage = ("--root", str(ROOT / "storage"), "--runroot", str(ROOT / "run"))
    done = subprocess.run(
        ["buildah", *storage, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
        timeout=seconds, check=False,
    )  # fmt: skip
    if check and done.returncode != 0:
        said = (done.stdout[-3000:] + done.stderr[-3000:]).strip()
        raise RuntimeError(f"buildah {' '.join(arguments)[:300]}: exit {done.returncode}\n{said}")
    return done


def build(
    dockerfile: Path, context: Path, *, target: str, base: str, volumes: Sequence[str], arguments: dict[str, str]
) -> str:
    """Build a target; what has not changed comes from layers of an earlier build.

    Args:
        dockerfile: The Dockerfile.
        context: The folder that it copies from.
        target: Which target.
        base: The image that stands for the first `FROM`.
        volumes: Folders and files of this machine that the commands see, as `source:target:ro`; no layer holds them.
        arguments: Build arguments.

    Returns:
        The image's id.
    """
    options = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    options += [f"--volume={volume}" for volume in volumes]
    done = buildah(
        "bud", "--format", "docker", *_ISOLATION, "--network", "host", "--layers", "--pull-never", "--quiet",
        "--from", base, "--file", str(dockerfile), "--ignorefile", f"{dockerfile}.dockerignore",
        "--target", target, "--tag", f"localhost/synalign-test-{target}", *options, str(context),
    )  # fmt: skip
    return done.stdout.split()[-1]


def inspect(image: str) -> dict[str, Any]:
    """An image's settings, layers and history."""
    found: dict[str, Any] = json.loads(buildah("inspect", "--type", "image", image).stdout)
    return found


def size(image: str) -> float:
    """Gigabytes of an image's layers, as a list of images shows them."""
    (line,) = json.loads(buildah("images", "--json", image).stdout)
    number, unit = str(line["size"]).split()
    return float(number) / 1000 ** ("GB", "MB", "KB", "B").index(unit.upper())


class Container:
    """A container of an image, in which commands are run one by one; its entry point only runs where it is named.

    Args:
        name: Its name for buildah.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def run(
        self,
        *command: str,
        user: str = "50000:0",
        variables: dict[str, str] | None = None,
        volumes: Sequence[str] = (),
        seconds: float = 300,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command; it gets the image's variables and these, no terminal and no input."""
        options = [f"--env={name}={value}" for name, value in (variables or {}).items()]
        options += [f"--volume={volume}" for volume in volumes]
        # In the container: a buildah that is killed leaves what it started.
        bounded = ["timeout", "--kill-after=10", str(seconds), *command]
        return buildah(
            "run", *_ISOLATION, "--network", "host", "--user", user, *options, self.name, "--", *bounded,
            seconds=seconds + 60, check=False,
        )  # fmt: skip


@contextmanager
def container(image: str) -> Iterator[Container]:
    """A container of an image, and nothing of it afterwards."""
    made = Container(buildah("from", "--pull-never", image).stdout.strip())
    try:
        yield made
    finally:
        buildah("rm", made.name)


@contextmanager
def mounted(container: Container) -> Iterator[Path]:
    """The files of a container as a folder, meanwhile."""
    folder = Path(buildah("mount", container.name).stdout.strip())
    try:
        yield folder
    finally:
        buildah("umount", container.name)


def clear() -> None:
    """Remove containers that a killed test left, and images that nothing is made from any more."""
    if ROOT.exists():
        buildah("rm", "--all", check=False)
        buildah("rmi", "--prune", check=False)


def main() -> None:
    """`problem` says what keeps images from being built here, and ends with 1; `remove` removes all that is kept."""
    if sys.argv[1:] == ["problem"]:
        sys.exit(problem())
    if sys.argv[1:] != ["remove"]:
        sys.exit("usage: python -m tests.images.buildah problem|remove")
    clear()
    buildah("rmi", "--all", "--force", check=False)
    shutil.rmtree(ROOT, ignore_errors=True)


if __name__ == "__main__":
    main()
