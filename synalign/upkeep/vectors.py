"""Forgetting in the embedding cache: the vectors of the query, and of written queries that have it.

A vector has no text beside it, but gives much of its text away to whoever has the model.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synalign.embedding import cache
from synalign.storage import Place


def forget(texts: set[str], *, dry: bool) -> int:
    """Take vectors out of every cache there is: a file is written anew without them, then the old one is removed.

    Args:
        texts: Content ids of the texts.
        dry: Only count.

    Returns:
        How many rows went, or would.

    Raises:
        OSError: Storage refuses.
    """
    wanted, count = pa.array(sorted(texts), pa.string()), 0
    for folder in cache.root().folders():
        if not dry:
            # Nobody can say what is in these. A task that writes at this very moment is begun again by Spark.
            for damaged in folder.files(".damaged-*"):
                damaged.remove()
            folder.clear_drafts()
        for part in folder.files("part-*.parquet"):
            with part.open_input() as stream:
                ids = pq.read_table(stream, columns=["text_id"]).column("text_id")
            found = int(pc.sum(pc.is_in(ids, wanted)).as_py() or 0)
            if found and not dry:
                _rewrite(folder, part, wanted)
            count += found
    return count


def _rewrite(folder: Place, part: Place, wanted: pa.Array) -> None:
    with part.open_input() as stream:
        content = pq.read_table(stream)
    kept = content.filter(pc.invert(pc.is_in(content.column("text_id"), wanted)))
    about = {key.decode(): value.decode() for key, value in (content.schema.metadata or {}).items()}
    if kept.num_rows:
        cache.add(folder, kept, about)
    part.remove()
