"""Manifests: digests that anybody can compute, and damaged ones."""

import hashlib
import json
from collections.abc import Callable

import pytest

from synalign.config import Configuration
from synalign.errors import RunError
from synalign.run import Run
from synalign.steps.job import perform
from tests.run.made_steps import INTERVAL, ingest

Make = Callable[..., Configuration]


def test_digests_agree_with_hashlib(configuration: Make) -> None:
    run = Run(configuration(), INTERVAL)
    perform(run, "ingest", ingest)
    manifest = json.loads((run.step_folder("ingest") / "manifest.json").read_text())
    for table, content in manifest["tables"].items():
        listing = ""
        for name, entry in content["files"].items():
            digest = hashlib.sha256((run.table_folder(table) / name).read_bytes()).hexdigest()
            assert entry["sha256"] == digest
            listing += f"{digest}  {name}\n"
        assert content["digest"] == hashlib.sha256(listing.encode()).hexdigest()
    assert manifest["tables"]["documents"]["rows"] == 2
    assert run.read("documents").num_rows == 2


def test_a_manifest_that_cannot_be_read_is_an_error_not_a_rerun(configuration: Make) -> None:
    run = Run(configuration(), INTERVAL)
    perform(run, "ingest", ingest)
    (run.folder / "ingest" / "manifest.json").write_text("{")
    with pytest.raises(RunError, match=r"(?s)cannot be read.*remove the folder"):
        run.manifest("ingest")
