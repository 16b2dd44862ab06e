"""Have the language model name attributes and write queries."""

from synalign import job
from synalign.generation.generate import generate
from synalign.generation.templates import digests

if __name__ == "__main__":
    job.main("generate", generate, outside=lambda run: digests(run.configuration), waits=True)
