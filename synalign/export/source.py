"""The training set that is exported: found by name, and read in parts."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from synalign.errors import ConfigurationError, InputError, RunError
from synalign.registry import lookup
from synalign.retriever.examples import REQUIRED, check_columns, negative_columns
from synalign.retriever.set_files import SetFiles, of_files, open_files, readable
from synalign.run import Run, manifests
from synalign.storage import Place
from synalign.storage.place import SCHEMES

if TYPE_CHECKING:
    from synalign.registry.versions import Version

_PARQUET = "*.parquet"


class Source(NamedTuple):
    """A training set and where it came from.

    Attributes:
        name: What people call it, such as `shop@3`, or its path.
        interval: Name of the data interval; empty where it is not known.
        digest: SHA-256 of what `sha256sum` prints for its files, as MLflow has it.
        content: Its files.
    """

    name: str
    interval: str
    digest: str
    content: SetFiles

    def negatives(self, wanted: int | None) -> int:
        """Return how many columns of hard negatives there are, of those wanted."""
        return negative_columns(self.content.schema.names, wanted)


@contextmanager
def find(reference: str) -> Iterator[Source]:
    """Find the training set that a reference names; what had to be copied for it is there until the context ends.

    Args:
        reference: A Parquet file or a folder of them (also `s3://bucket/...`), or what `synalign.registry.lookup.find`
            takes: a version in MLflow, a run's folder, a retriever, an interval, a YAML file.

    Raises:
        RunError: There is no such run, or it has no training set yet.
        RegistryError: There is no such version.
        InputError: The files are no training set.
    """
    place = _files_named(reference)
    if place is not None:
        yield _checked(Source(str(place), "", "", open_files(place)))
        return
    version = lookup.version(reference)
    if version is None:
        yield _of_run(lookup.find(reference), "")
        return
    try:
        run = lookup.run_of(version)
    except RunError:
        # What is not beside the run any more, MLflow has kept.
        with tempfile.TemporaryDirectory() as folder:
            yield _of_registry(version, Path(folder))
        return
    yield _of_run(run, version.name)


def _files_named(reference: str) -> Place | None:
    """Return a file, or a folder that holds Parquet files itself; None where a reference names something else."""
    if not reference.strip():
        raise ConfigurationError(
            f"VERSION == {reference!r}, must name a training set.", remedy="for example shop@current"
        )
    if reference.endswith(".parquet"):
        return Place(reference)
    # A folder of the same name as a retriever is not what `shop` means.
    if not reference.startswith(SCHEMES) and ("/" not in reference or not Path(reference).expanduser().is_dir()):
        return None
    place = Place(reference)
    with readable(place):
        return place if place.files(_PARQUET) else None


def _of_run(run: Run, name: str) -> Source:
    name = name or f"{run.configuration.retriever}/{run.interval.name}"
    manifest = run.manifest("assemble")
    if manifest is None:
        raise RunError(
            f"{name} has no training set yet.",
            cause="its refresh has not come as far as the step assemble",
            remedy=f"`synalign show {name}` says which step is missing",
        )
    files = manifests.files(run.folder / "assemble", manifest, "training_set")
    digest = str(manifest["tables"]["training_set"]["digest"])
    return _checked(Source(name, run.interval.name, digest, of_files(files)))


def _of_registry(version: Version, folder: Path) -> Source:
    from synalign.registry import versions
    from synalign.registry.connection import tracking_uri

    kept = versions.fetch(version, folder, tracking_uri())
    files = Place(kept.training_set).files(_PARQUET)
    return _checked(Source(version.name, version.interval, version.digest, of_files(files)))


def _checked(source: Source) -> Source:
    """Refuse what is no training set; give one found by its path its digest."""
    check_columns(source.content.schema.names, (*REQUIRED, "document_id"))
    if not source.content.rows:
        raise InputError(f"{source.name} has no rows.", cause="the refresh that made it had no pair")
    return source if source.digest else source._replace(digest=_digest(source.content.files))


def _digest(files: list[Place]) -> str:
    listing = "".join(f"{manifests.file_digest(file)}  {file.name}\n" for file in files)
    return hashlib.sha256(listing.encode()).hexdigest()
