"""Take up what earlier intervals wrote."""

from synalign.steps.start import start

if __name__ == "__main__":
    start("carry")
