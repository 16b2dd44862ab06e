"""Both images, built once for all tests: how long each took, how large it is."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tests.images import base, buildah, machine
from tests.production.compose import CHECKOUT, DOCKER

RECORD: list[str] = []
"""Lines for the end of a test run."""


class Built(NamedTuple):
    """An image.

    Attributes:
        image: Its id.
        gigabytes: Of its layers.
        seconds: How long building took.
        layers: Digests of its layers, the lowest first.
    """

    image: str
    gigabytes: float
    seconds: float
    layers: list[str]


def make_base() -> str:
    """Make the stand-in for the official base, and say how long it took."""
    began = time.monotonic()
    name = base.make()
    RECORD.append(f"base      {buildah.size(name):.2f} GB  {time.monotonic() - began:5.0f} s")
    return name


def make(target: str, base_image: str, context: Path = CHECKOUT, note: str = "") -> Built:
    """Build a target with this machine's pip and apt settings, none of which stays in a layer.

    Args:
        target: Of the Dockerfile.
        base_image: What stands for its first `FROM`.
        context: A checkout.
        note: Said beside the time.
    """
    settings = machine.pip_settings()
    # Where pip finds the wheel itself, PyTorch's own index is not needed, and perhaps not to be reached.
    arguments = {"TORCH_BACKEND": ""} if target == "jobs" and machine.has_torch_without_cuda(settings) else {}
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(machine.pip_file(settings))
        file.flush()
        volumes = [f"{file.name}:/etc/pip.conf:ro", *(f"{path}:{path}:ro" for path in machine.folders(settings))]
        began = time.monotonic()
        dockerfile = context / DOCKER.relative_to(CHECKOUT) / "Dockerfile"
        image = buildah.build(
            dockerfile, context, target=target, base=base_image, volumes=volumes, arguments=arguments
        )  # fmt: skip
        seconds = time.monotonic() - began
    found = Built(image, buildah.size(image), seconds, buildah.inspect(image)["OCIv1"]["rootfs"]["diff_ids"])
    RECORD.append(f"{target:<9} {found.gigabytes:.2f} GB  {seconds:5.0f} s  {note}".rstrip())
    return found
