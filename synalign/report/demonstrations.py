"""What the model was shown: how well it covers real traffic, and some batches with what was written from them."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from markupsafe import Markup

from synalign.arrays.checks import evenly_spaced
from synalign.drawing.chart import Line, line_chart
from synalign.errors import RunError
from synalign.generation.demonstration_batches import chosen_documents
from synalign.prompts.families import family
from synalign.report.coverage import DRAWS, SEED, Coverage, coverage
from synalign.report.population import ALIGNED, multiples
from synalign.report.section import Section
from synalign.run import some_rows
from synalign.run.memory import earlier_demonstrations, shown_earlier
from synalign.text.forms import MEASURED
from synalign.text.normal import normalise

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from synalign.report.material import Material

BATCHES = 5
"""Batches shown in full, evenly spaced in the order they were picked."""

WRITTEN = 12
"""Written queries shown of a batch, evenly spaced in the order they were written."""

TITLE = 80
"""Characters of a document's text that stand for a missing title."""

BEGINNING = 160
"""Characters of a shot's document that are shown."""

VALUES = 12
"""Values shown of an attribute, seen and generalised each."""


class Shot(NamedTuple):
    """A real query that was shown as a turn of its own, with its document.

    Attributes:
        query: The query.
        title: Title of the document that users chose most often for it; may be empty.
        beginning: How that document's text begins.
    """

    query: str
    title: str
    beginning: str


class Attribute(NamedTuple):
    """One attribute of a batch.

    Attributes:
        name: Its name.
        seen: Values that demonstrations have, each with how many demonstrations show it where a rule can tell.
        generalised: Values that were added to those.
        measured: Whether a rule measured it in the demonstrations; else the model named it.
    """

    name: str
    seen: list[tuple[str, int | None]]
    generalised: list[str]
    measured: bool


class Written(NamedTuple):
    """One written query.

    Attributes:
        query: What it says.
        document: Title of its document, or the beginning of its text, or its id.
        verdict: `accepted`, a reason, or empty where screening has not finished.
        weight: The aligned weight, as a multiple of the mean; None where it has none.
    """

    query: str
    document: str
    verdict: str
    weight: float | None


class Batch(NamedTuple):
    """One batch in full.

    Attributes:
        number: From 1, in the order picked.
        variance: Posterior variance of its anchor when it was picked.
        demonstrations: Real queries, the anchor first.
        shots: Those of them that requests drew their turns from, with their documents.
        attributes: What rules measured in them, and what the model named.
        written: Some of what it wrote.
        total: How many queries it wrote in all.
        verdicts: How many of all those have each verdict, the commonest first.
    """

    number: int
    variance: float
    demonstrations: list[str]
    shots: list[Shot]
    attributes: list[Attribute]
    written: list[Written]
    total: int
    verdicts: list[tuple[str, int]]


def section(material: Material) -> Section | None:
    """Show curves and batches; None before anything was picked."""
    if not material.has("demonstrations", "query_embeddings"):
        return None
    earlier, changed = _earlier(material)
    measured = coverage(material, earlier)
    content: dict[str, Any] = {
        "coverage": measured,
        "earlier_changed": changed,
        "followed": len(measured.uncertainty),
        "size": material.table("demonstrations").num_rows / measured.batches,
        "criterion": material.configuration.sampling.criterion,
        "uncertainty": _uncertainty(measured),
        "distance": _distance(measured),
        "comparison": _comparison(measured),
        "draws": DRAWS,
        "seed": SEED,
        "batches": _batches(material),
        "written": material.has("candidates"),
    }
    return Section("demonstrations", "Demonstrations", "demonstrations.html", content)


def _earlier(material: Material) -> tuple[NDArray[np.float32] | None, bool]:
    """Return what earlier intervals had shown when batches were picked, and whether it has changed since."""
    run = material.run
    if material.manifests["sample"]["outside"] != earlier_demonstrations(run):
        return None, True
    try:
        return shown_earlier(run), False
    except (OSError, RunError):
        return None, True


def _uncertainty(measured: Coverage) -> Markup:
    last = measured.uncertainty[-1]
    label = f"Mean uncertainty over {len(measured.uncertainty)} batches, falling to {last:.2f} of 1."
    return line_chart(
        [Line("selected", measured.uncertainty.tolist())], label=label, across="batches shown", up="uncertainty left"
    )


def _distance(measured: Coverage) -> Markup | None:
    """Draw distances after each batch; None where no query is held out."""
    if measured.selected is None or measured.random is None:
        return None
    edges = (measured.random.min(axis=0).tolist(), measured.random.max(axis=0).tolist())
    lines = [Line("random", measured.random.mean(axis=0).tolist(), edges), Line("selected", measured.selected.tolist())]
    label = "Mean distance of held-out queries to the nearest demonstration, for batches picked and for random ones."
    return line_chart(lines, label=label, across="batches shown", up="distance to the nearest demonstration")


class Comparison(NamedTuple):
    """Picked against random batches, at the last batch followed.

    Attributes:
        selected: Mean distance with ours.
        random: Mean over draws.
        lowest: Of the draws.
        highest: Of the draws.
        nearer: How much nearer ours is, as a share of `random`; negative: farther.
    """

    selected: float
    random: float
    lowest: float
    highest: float
    nearer: float


def _comparison(measured: Coverage) -> Comparison | None:
    if measured.selected is None or measured.random is None:
        return None
    selected, random = float(measured.selected[-1]), measured.random[:, -1]
    mean = float(random.mean())
    nearer = 1.0 - selected / mean if mean > 0.0 else 0.0
    return Comparison(selected, mean, float(random.min()), float(random.max()), nearer)


def _batches(material: Material) -> list[Batch]:
    table = material.table("demonstrations")
    texts = _texts(material, table["query_id"].to_pylist())
    members: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for batch, query, variance in zip(
        *(table[name].to_pylist() for name in ("batch_id", "query_id", "variance")), strict=True
    ):
        members[batch].append((query, variance))
    ids = list(members)
    some = [ids[place] for place in evenly_spaced(len(ids), BATCHES - 1)]
    chosen = list(dict.fromkeys([*some, ids[-1]]))
    attributes, written = _attributes(material, chosen), _written(material, chosen)
    shots = _shots(material, [query for batch in chosen for query, _ in members[batch]])
    return [
        Batch(
            ids.index(batch) + 1, members[batch][0][1], [texts[query] for query, _ in members[batch]],
            [Shot(texts[query], *shots[query]) for query, _ in members[batch] if query in shots], attributes[batch],
            [written[batch][place] for place in evenly_spaced(len(written[batch]), WRITTEN)], len(written[batch]),
            Counter(one.verdict for one in written[batch] if one.verdict).most_common(),
        )
        for batch in chosen
    ]  # fmt: skip


def _shots(material: Material, query_ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return title and beginning of the document that each query was shown with; none where no family shows any."""
    if not family(material.configuration).shots:
        return {}
    chosen = chosen_documents(material.run, set(query_ids))
    rows = some_rows.having(material.run, "documents", "document_id", set(chosen.values())).to_pylist()
    known = {row["document_id"]: (row["title"], " ".join(row["text"][:BEGINNING].split())) for row in rows}
    return {query: known[document] for query, document in chosen.items() if document in known}


def _texts(material: Material, ids: Sequence[str]) -> dict[str, str]:
    some = some_rows.having(material.run, "queries", "query_id", ids, ["query_id", "query"])
    return dict(zip(some["query_id"].to_pylist(), some["query"].to_pylist(), strict=True))


def _of_batches(table: pa.Table, batches: Sequence[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = table.filter(pc.is_in(table["batch_id"], pa.array(batches, pa.string()))).to_pylist()
    return found


def _attributes(material: Material, batches: Sequence[str]) -> dict[str, list[Attribute]]:
    """Return the attributes of some batches: measured ones, then others in the order the model named them."""
    rows = _of_batches(material.table("attributes"), batches) if material.has("attributes") else []
    grouped: dict[str, dict[str, Attribute]] = defaultdict(dict)
    for row in rows:
        name = normalise(row["name"])
        mine = grouped[row["batch_id"]].setdefault(name, Attribute(row["name"], [], [], name.casefold() in MEASURED))
        if row["generalised"]:
            mine.generalised.append(row["value"])
        else:
            mine.seen.append((row["value"], row["support"]))
    short = {
        batch: [one._replace(seen=one.seen[:VALUES], generalised=one.generalised[:VALUES]) for one in mine.values()]
        for batch, mine in grouped.items()
    }
    return {batch: short.get(batch, []) for batch in batches}


def _written(material: Material, batches: Sequence[str]) -> dict[str, list[Written]]:
    """Return the candidates of some batches, in the order they came."""
    rows = _of_batches(material.table("candidates"), batches) if material.has("candidates") else []
    verdicts, weights = _verdicts(material), _weights(material)
    titles = _titles(material, [row["document_id"] for row in rows])
    found: dict[str, list[Written]] = {batch: [] for batch in batches}
    for row in rows:
        key = row["candidate_id"]
        document = titles.get(row["document_id"], row["document_id"])
        found[row["batch_id"]].append(Written(row["query"], document, verdicts.get(key, ""), weights.get(key)))
    return found


def _verdicts(material: Material) -> dict[str, str]:
    if not material.has("screening"):
        return {}
    table = material.table("screening")
    reasons = pc.fill_null(table["reason"], table["status"]).to_pylist()
    return dict(zip(table["candidate_id"].to_pylist(), reasons, strict=True))


def _weights(material: Material) -> dict[str, float]:
    if not material.has("weights"):
        return {}
    ids, values = multiples(material, ALIGNED)
    return dict(zip(ids, values.tolist(), strict=True))


def _titles(material: Material, ids: Sequence[str]) -> dict[str, str]:
    some = some_rows.having(material.run, "documents", "document_id", ids)
    return {row["document_id"]: row["title"] or row["text"][:TITLE] or row["document_id"] for row in some.to_pylist()}
