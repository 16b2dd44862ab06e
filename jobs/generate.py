"""Have the language model name attributes and write queries."""

from synalign.steps.start import start

if __name__ == "__main__":
    start("generate")
