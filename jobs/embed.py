"""Embed real queries and documents, or, with `--step embed_candidates`, the written queries."""

from synalign import job
from synalign.embedding.embed import embed

if __name__ == "__main__":
    job.main("embed", embed)
