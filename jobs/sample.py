"""Pick batches of real queries as demonstrations."""

from synalign import job
from synalign.demonstrations import earlier_demonstrations, sample

if __name__ == "__main__":
    job.main("sample", sample, outside=earlier_demonstrations)
