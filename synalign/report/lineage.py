"""Lineage: what exactly this run is made from, down to digests, settings and the wording of the prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import yaml

from synalign.errors import ConfigurationError
from synalign.prompts.templates import NUMBERS, USER, files_of, template
from synalign.report.material import STEPS, Material
from synalign.report.section import Section

_PROMPTS = (("queries", "query_prompt"), ("documents", "document_prompt"))


class TableDigest(NamedTuple):
    """A table of the run: which step wrote it, its rows, its digest, and that of the settings behind it."""

    step: str
    table: str
    rows: int
    digest: str


class Prompt(NamedTuple):
    """A prompt template.

    Attributes:
        kind: What it asks for.
        digest: Of the one that was used.
        text: Its text; None where the wording there is now is another one.
        own: The retriever's file; None: SynAlign's own.
    """

    kind: str
    digest: str
    text: str | None
    own: str | None


def section(material: Material) -> Section | None:
    """Show where everything came from; None before the first step has finished."""
    if not material.manifests:
        return None
    return Section(
        "lineage", "Lineage", "lineage.html",
        {
            "facts": _facts(material),
            "url": material.metrics("register").get("url"),
            "tables": _tables(material),
            "outside": _outside(material),
            "versions": _versions(material),
            "configuration": yaml.safe_dump(
                material.configuration.model_dump(mode="json"), sort_keys=False, allow_unicode=True
            ),
            "prompts": _prompts(material),
        },
    )  # fmt: skip


def _facts(material: Material) -> list[tuple[str, str]]:
    registered, embedded = material.metrics("register"), material.metrics("embed")
    generated = material.metrics("generate")
    facts = [("Run", f"{material.configuration.retriever}, {material.run.interval.name}")]
    if registered:
        facts.append(("Training set", f"{registered['model']} version {registered['version']}"))
        facts.append(("Its SHA-256", registered["digest"]))
        facts.append(("MLflow run", registered["run_id"]))
    if generated:
        facts.append(("Written by", f"{generated['model'] or 'nobody'} at {generated['endpoint']}"))
    if embedded:
        facts.append(("Encoder", f"{embedded['model']}, {embedded['precision']}"))
        facts.append(("Its weights", str(embedded["revision"])))
        facts += [(f"Put before {name}", repr(embedded[key])) for name, key in _PROMPTS if key in embedded]
    facts.append(("Owner", material.configuration.owner))
    facts.append(("Seed", str(material.configuration.seed)))
    return facts


def _tables(material: Material) -> list[TableDigest]:
    return [
        TableDigest(step.name, table, content["rows"], content["digest"])
        for step in STEPS
        for table in step.writes
        if step.name in material.manifests
        for content in [material.manifests[step.name]["tables"][table]]
    ]


def _outside(material: Material) -> list[tuple[str, str, str]]:
    """List what steps read from outside the run: step, name, and its version or SHA-256."""
    return [
        (step, Path(name).name if name.startswith("/") else name, digest)
        for step, manifest in material.manifests.items()
        for name, digest in sorted(manifest["outside"].items())
    ]


def _versions(material: Material) -> list[tuple[str, str]]:
    """List packages with their versions; several where steps were made by several."""
    found: dict[str, set[str]] = {}
    for manifest in material.manifests.values():
        for package, version in manifest["versions"].items():
            found.setdefault(package, set()).add(version)
    return [(package, ", ".join(sorted(versions))) for package, versions in sorted(found.items())]


def _prompts(material: Material) -> list[Prompt]:
    if "generate" not in material.manifests:
        return []
    outside: dict[str, Any] = material.manifests["generate"]["outside"]
    outside = outside | material.manifests.get("screen", {}).get("outside", {})
    own = files_of(material.configuration)
    found = []
    for kind in NUMBERS:
        digest = outside.get(f"prompts/{kind}")
        if digest is None:
            continue
        try:
            now = template(kind, material.configuration)
        except ConfigurationError:
            now = None
        text = f"{now.system}\n{USER}\n{now.user}" if now is not None and now.digest == digest else None
        found.append(Prompt(kind, digest, text, own[kind][1] if kind in own else None))
    return found
