"""Put real and weighted synthetic pairs into one training set."""

from synalign import job
from synalign.training_set import assemble

if __name__ == "__main__":
    job.main("assemble", assemble)
