"""Read the query log and the documents, clean, count and split them."""

from synalign import job
from synalign.querylog.ingest import ingest, source_files

if __name__ == "__main__":
    job.main("ingest", ingest, outside=source_files)
