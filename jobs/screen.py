"""Decide which written queries are kept."""

from synalign.interruption import interruptible_job

if __name__ == "__main__":
    with interruptible_job():
        from synalign.job import main
        from synalign.screening.screen import screen

        main("screen", screen)
