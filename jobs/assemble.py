"""Put real and weighted synthetic pairs into one training set."""

from synalign.interruption import interruptible_job

if __name__ == "__main__":
    with interruptible_job():
        from synalign import job
        from synalign.training_set import assemble

        job.main("assemble", assemble)
