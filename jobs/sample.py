"""Pick batches of real queries as demonstrations."""

from synalign.steps.start import start

if __name__ == "__main__":
    start("sample")
