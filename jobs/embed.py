"""Embed real queries and documents, or, with `--step embed_candidates`, the written queries."""

from synalign.steps.start import start

if __name__ == "__main__":
    start("embed")
