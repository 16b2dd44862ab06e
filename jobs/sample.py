"""Pick batches of real queries as demonstrations."""

from synalign.demonstrations import earlier_demonstrations, sample
from synalign.job import main

if __name__ == "__main__":
    main("sample", sample, outside=earlier_demonstrations)
