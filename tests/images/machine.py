"""How this machine gets packages: settings of its pip and apt, found where they are, for builds that need the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_ELSEWHERE = ("cache-dir", "require-virtualenv", "user", "target", "prefix", "root")


def pip_settings() -> dict[str, str]:
    """What pip's files and variables say here, as its own settings; the environment has the last word."""
    said = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    found: dict[str, str] = {}
    for line in said.stdout.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        if section in ("global", "install", ":env:") and key not in _ELSEWHERE:
            text = value.strip("'\"").replace("\\n", " ")
            # Places add up; of all else the last counts, which is the environment's.
            both = f"{found.get(key, '')} {text}".split() if key in _PLACES else [text]
            found[key] = " ".join(dict.fromkeys(both))
    return found


_PLACES = ("find-links", "extra-index-url", "constraint")


def pip_file(settings: dict[str, str]) -> str:
    """Settings as a file of pip's."""
    return "\n".join(["[global]", *(f"{key} = {value}" for key, value in settings.items()), ""])


def folders(settings: dict[str, str]) -> list[Path]:
    """Files and folders of this machine that settings name; certificates are in every base image."""
    words = [word for value in settings.values() for word in value.split()]
    paths = [Path(urlsplit(word).path) for word in words if word.startswith(("/", "file:/"))]
    there = [path for path in dict.fromkeys(paths) if path.exists() and path != CERTIFICATES]
    # An index on disk has its files beside it: `simple/` refers to `../files/`.
    return [path.parent if path.name == "simple" else path for path in there]


def has_torch_without_cuda(settings: dict[str, str]) -> bool:
    """Whether pip finds such a wheel in a folder here, and needs no index of PyTorch's for it."""
    return any(list(Path(word).glob("torch-*+cpu-*.whl")) for word in settings.get("find-links", "").split())


def debian_mirror() -> str | None:
    """Where apt gets Debian's packages here; None on another system, where debootstrap knows a place itself."""
    asked = ["apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI)", "Created-By: Packages"]
    lines = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.splitlines()
    return next((line.split()[1] for line in lines if line.startswith("Debian ")), None)


def apt_settings() -> str:
    """How apt fetches here (proxies, certificates, what it does not check), as lines of its own settings."""
    dumped = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False).stdout
    kept = ("Acquire::http", "Acquire::Check-", "Acquire::Retries", "Acquire::ForceIPv")
    return "".join(f"{line}\n" for line in dumped.splitlines() if line.startswith(kept))


def apt_sources() -> list[Path]:
    """Files that say where apt gets packages here."""
    listed = Path("/etc/apt/sources.list.d")
    found = [Path("/etc/apt/sources.list"), *sorted(listed.glob("*.list")), *sorted(listed.glob("*.sources"))]
    return [path for path in found if path.is_file()]
