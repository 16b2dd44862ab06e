"""A stand-in for the official Python image: Debian of the same release with Debian's Python of the same minor version.

The official image cannot be had on every machine that tests run on, so this is no test of it: what differs is where
Python lies (`/usr/bin`, linked from `/usr/local/bin`), its patch version, and what else is installed beside it.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from tests.images import machine
from tests.images.buildah import buildah

_NAME = "localhost/synalign-test-base"
_RELEASE = "bookworm"
_PYTHON = """
apt-get update
apt-get install --yes --no-install-recommends python3.11 python3.11-venv
rm --recursive --force /var/lib/apt/lists/* /var/cache/apt/*
ln --symbolic /usr/bin/python3.11 /usr/local/bin/python
ln --symbolic python /usr/local/bin/python3
"""


def make() -> str:
    """Make it, unless an earlier run did.

    Returns:
        Its name.
    """
    name = f"{_NAME}:{_recipe()}"
    if buildah("images", "--quiet", name, check=False).returncode == 0:
        return name
    container = buildah("from", "--name", "synalign-test-base", "scratch").stdout.strip()
    try:
        root = Path(buildah("mount", container).stdout.strip())
        _install(root)
        buildah("run", "--isolation", "chroot", "--network", "host", container, "--", "sh", "-ec", _PYTHON)
        buildah("umount", container)
        buildah("config", "--cmd", "python3", container)
        buildah("commit", "--format", "docker", "--quiet", container, name)
    finally:
        buildah("rm", container)
    return name


def _recipe() -> str:
    """Return a digest of what the base is made from: another one makes another base."""
    parts = [Path(__file__).read_bytes(), machine.apt_settings().encode(), (machine.debian_mirror() or "").encode()]
    parts += [file.read_bytes() for file in [*machine.apt_sources(), machine.CERTIFICATES] if file.is_file()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def _install(root: Path) -> None:
    """Install Debian's smallest system, which gets packages and trusts servers as this machine does."""
    mirror = machine.debian_mirror()
    command = ["debootstrap", "--variant=minbase", "--include=ca-certificates", _RELEASE, str(root)]
    done = subprocess.run(
        [*command, *([mirror] if mirror else [])], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    if mirror:
        # debootstrap's own list has no security updates.
        (root / "etc/apt/sources.list").unlink(missing_ok=True)
        for file in machine.apt_sources():
            shutil.copy(file, root / file.relative_to("/"))
    (root / "etc/apt/apt.conf.d/90-as-this-machine").write_text(machine.apt_settings())
    if machine.CERTIFICATES.is_file():
        shutil.copy(machine.CERTIFICATES, root / machine.CERTIFICATES.relative_to("/"))
