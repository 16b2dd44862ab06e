"""A finished run as an earlier version wrote it: scheme `equal` called `filtered`, or a choice without a mass."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synalign import flow
from synalign.run import Run, manifests

NAMED = ("weights", "evaluation", "choice")
"""Tables that name schemes."""


def as_formerly(run: Run) -> None:
    """Write the names of before into tables, metrics and settings of a run; its fingerprints stay what they are."""
    digests: dict[str, str] = {}
    for step in flow.STEPS:
        place = run.folder / step.name / manifests.NAME
        if not place.is_file():
            continue
        manifest: dict[str, Any] = json.loads(place.read_bytes())
        folder = manifests.folder(place.parent, manifest)
        for table in set(NAMED) & set(step.writes):
            _rewrite(folder / table)
            manifest["tables"][table] = manifests.describe(folder / table)
            digests[table] = manifest["tables"][table]["digest"]
        manifest["inputs"] |= {table: digests[table] for table in digests if table in manifest["inputs"]}
        if step.name in ("evaluate", "assemble"):
            manifest["metrics"] = _formerly(manifest["metrics"])
        if "alignment" in manifest["settings"]:
            manifest["settings"]["alignment"] = _formerly(manifest["settings"]["alignment"])
        for written in (place, folder / manifests.NAME):
            written.write_bytes(json.dumps(manifest).encode())


def without_masses(run: Run) -> None:
    """Take the mass out of the table `choice` and of the metrics of *evaluate*, and out of *assemble*'s."""
    for step in ("evaluate", "assemble"):
        place = run.folder / step / manifests.NAME
        if not place.is_file():
            continue
        manifest: dict[str, Any] = json.loads(place.read_bytes())
        folder = manifests.folder(place.parent, manifest)
        if step == "evaluate":
            (file,) = (folder / "choice").files("*.parquet")
            pq.write_table(pq.read_table(file.local, partitioning=None).drop_columns(["mass"]), file.local)
            manifest["tables"]["choice"] = manifests.describe(folder / "choice")
        for key in ("mass", "arms_mass", "ladder"):
            manifest["metrics"].pop(key, None)
        place.write_bytes(json.dumps(manifest).encode())


def _formerly(content: Any) -> Any:
    text = json.dumps(content).replace('"equal"', '"filtered"')
    return json.loads(text.replace('"equal_minus_', '"filtered_minus_').replace('_minus_equal"', '_minus_filtered"'))


def _rewrite(table: Any) -> None:
    (file,) = table.files("*.parquet")
    content: pa.Table = pq.read_table(file.local, partitioning=None)
    for name in {"scheme", "arm"} & set(content.column_names):
        renamed = pc.if_else(pc.equal(content[name], "equal"), "filtered", content[name])
        content = content.set_column(content.column_names.index(name), content.schema.field(name), renamed)
    pq.write_table(content, file.local)
