"""Put real and weighted synthetic pairs into one training set."""

from synalign.job import main
from synalign.training_set import assemble

if __name__ == "__main__":
    main("assemble", assemble)
