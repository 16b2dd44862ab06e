"""What retrievers are judged on: the documents of a run, and its real queries of the splits that no training sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from synalign.evaluation.material import JUDGED, ranked_documents, some_queries, split_of

if TYPE_CHECKING:
    import pyarrow as pa

    from synalign.run import Run


class Judged(NamedTuple):
    """Real queries of one split.

    Attributes:
        queries: (q,) their texts.
        relevant: (q,) the places of each one's documents in the corpus, at least one.
    """

    queries: list[str]
    relevant: list[set[int]]


class Corpus(NamedTuple):
    """What there is to find, and who asks for it.

    Attributes:
        documents: (c,) texts of all documents of the run, bounded as in `synalign.evaluation.material`.
        judged: By split, `validation` and `test`; either may be empty.
    """

    documents: list[str]
    judged: dict[str, Judged]


def read(run: Run) -> Corpus:
    """Read documents and judged queries of a run.

    Raises:
        RunError: Its step *ingest* is not finished, or belongs to other settings.
    """
    pairs = run.read("pairs", ["query_id", "query", "document_id", "split"])
    asked = {split: some_queries(split_of(pairs, split), most) for split, most in JUDGED.items()}
    needed = {document for rows in asked.values() for document in rows["document_id"].to_pylist()}
    ids, texts = ranked_documents(run, needed, [])
    places = {identifier: place for place, identifier in enumerate(ids)}
    return Corpus(texts, {split: _judged(rows, places) for split, rows in asked.items()})


def _judged(rows: pa.Table, places: dict[str, int]) -> Judged:
    texts: dict[str, str] = {}
    relevant: dict[str, set[int]] = {}
    for identifier, query, document in zip(
        *(rows[name].to_pylist() for name in ("query_id", "query", "document_id")), strict=True
    ):
        texts[identifier] = query
        relevant.setdefault(identifier, set()).add(places[document])
    return Judged(list(texts.values()), list(relevant.values()))
