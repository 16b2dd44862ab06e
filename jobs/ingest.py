"""Read the query log and the documents, clean, count and split them."""

from synalign.steps.start import start

if __name__ == "__main__":
    start("ingest")
