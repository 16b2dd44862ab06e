"""Put real and weighted synthetic pairs into one training set."""

from synalign.steps.start import start

if __name__ == "__main__":
    start("assemble")
