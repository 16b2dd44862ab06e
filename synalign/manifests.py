"""What stands in a step's `manifest.json`: how it is read, and how files and tables are described in it."""

from __future__ import annotations

import hashlib
import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from synalign.errors import RunError

NAME = "manifest.json"
FORMAT = 1
_VERSIONS_OF = ("synalign", "pyspark", "torch", "numpy", "sentence-transformers", "openai", "mlflow", "apache-airflow")


def read(path: Path) -> dict[str, Any] | None:
    """A manifest, or None where there is none.

    Raises:
        RunError: It is there but cannot be read.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RunError(
            f"{path} cannot be read: {error}.", remedy=f"remove the folder {path.parent} and run the step again"
        ) from error
    return content if content.get("format") == FORMAT else None


def canonical(content: Any) -> bytes:
    """JSON with sorted keys and no spaces, in UTF-8: the same content always gives the same bytes."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe(folder: Path) -> dict[str, Any]:
    """Rows, files and digest of a table. The digest is the SHA-256 of what `sha256sum` prints for its files."""
    paths = sorted(folder.glob("*.parquet"))
    if not paths:
        raise RunError(f"table {folder.name!r} was not written.", cause="a defect of the step: please report it")
    files = {path.name: {"sha256": file_digest(path), "bytes": path.stat().st_size} for path in paths}
    listing = "".join(f"{entry['sha256']}  {name}\n" for name, entry in files.items())
    return {
        "rows": sum(pq.read_metadata(path).num_rows for path in paths),
        "digest": hashlib.sha256(listing.encode()).hexdigest(),
        "files": files,
    }


def intact(folder: Path, manifest: dict[str, Any]) -> bool:
    """Whether every file of a step is there with the bytes its manifest names."""
    for table, content in manifest["tables"].items():
        for name, entry in content["files"].items():
            path = folder / table / name
            if not path.is_file() or path.stat().st_size != entry["bytes"] or file_digest(path) != entry["sha256"]:
                return False
    return True


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _VERSIONS_OF:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
