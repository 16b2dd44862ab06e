"""What a retriever's intervals came to one after another: read from manifests alone, never from tables."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from synalign import flow
from synalign.errors import RunError
from synalign.evaluation.measured import Measured, measured, of_task
from synalign.run import Interval, intervals, manifests
from synalign.storage import Place

if TYPE_CHECKING:
    from synalign.report.material import Material

MOST = 28
"""Finished intervals before this one that are shown."""

LOOKED_AT = 3 * MOST
"""Folders that are looked at for them: where so many failed, the rest is not worth the reading."""

_STEPS = tuple(step.name for step in flow.before("report") if step.name not in ("ingest", "embed", "embed_candidates"))
_TABLES = {table for step in _STEPS for table in flow.step(step).writes}
_PLACES = {
    "tokens": "generate metrics tokens",
    "new": "screen metrics accepted",
    "carried": "screen metrics carried accepted",
    "documents": "align metrics documents",
    "mmd2_equal": "align metrics mmd2_held_out_before",
    "mmd2_aligned": "align metrics mmd2_held_out_after",
    "effective": "align metrics effective_sample_size",
    "control": "evaluate metrics test control {measure}",
    "treatment": "evaluate metrics test treatment {measure}",
    "max_loss": "evaluate settings evaluation gate max_loss",
}
"""Where each figure stands in the manifests."""

Manifests = Mapping[str, Mapping[str, Any]]


class Night(NamedTuple):
    """An interval, as far as it has come.

    Attributes:
        name: Name of its run.
        label: The moment up to which it goes, in words.
        end: The same moment.
        unfinished: The first step that has not finished, or does not fit to the others; empty: the set is registered.
        figures: What was measured; None: it was not, or what stands there is no number.
    """

    name: str
    label: str
    end: datetime
    unfinished: str
    figures: dict[str, float | None]


def nights(material: Material) -> list[Night]:
    """Return the latest `MOST` finished intervals that ended before this run's began, and then this run's.

    An interval between them that was not finished is there too, with what it measured.

    Returns:
        Oldest first; the last one is the run's own.

    Raises:
        StorageError: Storage refuses.
    """
    own, by = material.run.interval, of_task(material.configuration.task)
    unfinished = next((step for step in _STEPS if step not in material.manifests), "")
    found = [_Read(own, unfinished, figures(material.manifests, by))]
    with ThreadPoolExecutor(len(_STEPS)) as pool:
        for place in _before(material.run.folder, own):
            if sum(not one.unfinished for one in found[1:]) >= MOST:
                break
            kept, missing = _finished(place, pool)
            found.append(_Read(Interval.named(place.name), missing, figures(kept, by)))
    while len(found) > 1 and found[-1].unfinished:
        # Before the first that finished there is no line to break.
        found.pop()
    return _labelled(found[::-1])


def figures(kept: Manifests, by: Measured) -> dict[str, float | None]:
    """Return an interval's figures from the manifests that it has; whatever else may stand there, it is no figure.

    Args:
        kept: Manifests by step.
        by: What today's retriever or classifier is measured by. What an interval of another task measured, before the
            retriever's task was changed, does not stand beside it.
    """
    found = {name: _number(kept, place.format(measure=by.name).split()) for name, place in _PLACES.items()}
    if found["new"] is not None and "carried" not in kept["screen"]["metrics"]:
        # Screened by a SynAlign without a pool.
        found["carried"] = 0.0
    if measured({"measure": _at(kept, ["evaluate", "metrics", "measure"])}) != by:
        found["control"] = found["treatment"] = None
    control, max_loss = found["control"], found.pop("max_loss")
    found["gate"] = control * (1.0 - max_loss) if control is not None and max_loss is not None else None
    return found


class _Read(NamedTuple):
    interval: Interval
    unfinished: str
    figures: dict[str, float | None]


def _before(folder: Place, own: Interval) -> Iterator[Place]:
    """Yield the folders of intervals that ended before one began, latest first."""
    given = 0
    for place in reversed(intervals(folder.parent)):
        try:
            earlier = Interval.named(place.name).end <= own.start
        except RunError:
            # Named like an interval, but of no date that there is.
            continue
        if earlier and given < LOOKED_AT:
            given += 1
            yield place


def _finished(folder: Place, pool: ThreadPoolExecutor) -> tuple[Manifests, str]:
    """Return the manifests that count, by step, and the first step that has none.

    A step that was made from tables that are there no more does not count, nor does one whose manifest cannot be read.
    """
    kept: dict[str, Mapping[str, Any]] = {}
    digests: dict[str, Any] = {}
    for step, manifest in zip(_STEPS, pool.map(lambda step: _read(folder / step), _STEPS), strict=True):
        if manifest is None or any(
            table in _TABLES and digests.get(table) != digest for table, digest in manifest["inputs"].items()
        ):
            continue
        kept[step] = manifest
        digests |= {table: entry.get("digest") for table, entry in manifest["tables"].items()}
    # Intervals of a SynAlign without a pool have no step `carry`: they are finished all the same.
    missing = "" if _STEPS[-1] in kept else next(step for step in _STEPS if step not in kept)
    return kept, missing


def _read(step: Place) -> Mapping[str, Any] | None:
    try:
        found = manifests.read(step / manifests.NAME)
    except RunError:
        return None
    parts = ("inputs", "tables", "metrics", "settings")
    if found is None or not all(isinstance(found.get(part), dict) for part in parts):
        return None
    return found if all(isinstance(entry, dict) for entry in found["tables"].values()) else None


def _at(content: Any, keys: Sequence[str]) -> Any:
    """Return what stands under some keys; None where there is no such thing."""
    for key in keys:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content


def _number(kept: Any, keys: Sequence[str]) -> float | None:
    """Return the finite number that stands under some keys; None where there is no such thing."""
    content = _at(kept, keys)
    if isinstance(content, bool) or not isinstance(content, int | float):
        return None
    try:
        value = float(content)
    except OverflowError:
        return None
    return value if math.isfinite(value) else None


def _labelled(found: Sequence[_Read]) -> list[Night]:
    """Name intervals by the day on which they end; where a day has several, by the time too."""
    days = Counter(one.interval.end.date() for one in found)
    form = "%Y-%m-%d" if max(days.values()) == 1 else "%Y-%m-%d %H:%M"
    return [Night(one.interval.name, f"{one.interval.end:{form}}", one.interval.end, *one[1:]) for one in found]
