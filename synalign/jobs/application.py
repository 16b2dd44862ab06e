"""The application of every job: `python application.py JOB ARGUMENTS`, or the same after spark-submit."""

from synalign.jobs import main

if __name__ == "__main__":
    main()
