"""Every job by its name, in the package: what Airflow starts as a process, and what a cluster starts as a driver.

`application.py` beside this file is the application that spark-submit, Livy, EMR or Databricks is given. The files of
the folder `jobs/` start the same jobs by hand.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from synalign import flow
from synalign.processes.interruption import interruptible_job
from synalign.steps.start import start


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the job that the arguments name, with those after the name.

    Args:
        arguments: `[--set NAME=VALUE ...] JOB ARGUMENTS`; by default those of this process. `--set` gives a driver on
            another machine what a process of Airflow's worker finds in its environment. No secret goes there: a
            command line can be read by many.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    parser = argparse.ArgumentParser(description="Run a job of SynAlign.")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", type=_variable, help="environment")
    parser.add_argument("job", choices=sorted(_jobs()), help="which job")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of the job; `JOB --help` shows them")
    asked = parser.parse_args(given)
    os.environ.update(asked.set)
    sys.argv = [asked.job, *asked.arguments]
    _jobs()[asked.job]()


def _variable(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not name or not sign:
        raise argparse.ArgumentTypeError("must look like NAME=VALUE")
    return name, value


def _jobs() -> dict[str, Callable[[], None]]:
    """Return what each job runs; a job's own imports are left to the last moment, as `start` explains."""
    steps = {step.job: (lambda name=step.job: start(name)) for step in flow.STEPS}
    return {**steps, "read_experiment": _read_experiment, "decide_experiment": _decide_experiment, "train": _train}


def _read_experiment() -> None:
    with interruptible_job():
        from synalign.steps.experiment import read

        read()


def _decide_experiment() -> None:
    with interruptible_job():
        from synalign.steps.experiment import decide

        decide()


def _train() -> None:
    with interruptible_job():
        from synalign.steps.train import main as train

        train()
