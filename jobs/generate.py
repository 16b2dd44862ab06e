"""Have the language model name attributes and write queries."""

from synalign.generation.generate import generate
from synalign.generation.templates import digests
from synalign.job import main

if __name__ == "__main__":
    main("generate", generate, outside=lambda run: digests(run.configuration), waits=True)
