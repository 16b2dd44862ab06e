"""Record a person's answer to a verdict `ship`: a yes lets the treatment serve, a no changes nothing."""

from synalign.experiment.jobs import decide

if __name__ == "__main__":
    decide()
