"""Embed real queries and documents, or, with `--step embed_candidates`, the written queries."""

from synalign.embedding.embed import embed
from synalign.job import main

if __name__ == "__main__":
    main("embed", embed)
