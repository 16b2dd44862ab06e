"""A job's outcome in storage that several machines share, where the driver is not on the machine of its task.

Whoever started the job has no more than its address, and perhaps no client of that storage in its own Python:

python -m synalign.steps.outcome_store read ADDRESS      print it; nothing where there is none
python -m synalign.steps.outcome_store remove ADDRESS    forget it
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from contextlib import suppress
from pathlib import Path

from synalign.errors import SynAlignError
from synalign.steps import outcome
from synalign.steps.outcome import FOLDER, VARIABLE, Outcome

log = logging.getLogger("synalign")


def say(ended: Outcome) -> None:
    """Write a job's outcome to where `SYNALIGN_OUTCOME` points, if it points anywhere: a file, or object storage."""
    address = os.environ.get(VARIABLE, "")
    if "://" not in address:
        if FOLDER in Path(address).parts:
            # In a store that is a folder; any other file's folder was made by who waits for it.
            with suppress(OSError):
                Path(address).parent.mkdir(parents=True, exist_ok=True)
        outcome.say(ended)
        return
    from synalign.storage.place import Place

    try:
        Place(address).write_text(json.dumps(ended._asdict()))
    except (OSError, SynAlignError) as error:
        # What the job did counts; its task then has no summary.
        log.warning("how the job ended cannot be written to %s: %s", address, error)


def forget() -> None:
    """Remove what an earlier try of this job left, which would be taken for this one's word."""
    address = os.environ.get(VARIABLE, "")
    if not address:
        return
    if "://" not in address:
        with suppress(OSError):
            Path(address).unlink(missing_ok=True)
    else:
        from synalign.storage.place import Place

        try:
            Place(address).unlink()
        except (OSError, SynAlignError) as error:
            log.warning("%s cannot be removed: %s", address, error)


def main() -> None:
    """Read or remove an outcome, for a task of Airflow's."""
    parser = argparse.ArgumentParser(description="How a job ended.")
    parser.add_argument("action", choices=("read", "remove"))
    parser.add_argument("address")
    arguments = parser.parse_args()
    from synalign.storage.place import Place

    place = Place(arguments.address)
    if arguments.action == "remove":
        place.unlink()
    elif place.is_file():
        sys.stdout.write(place.read_text() + "\n")


if __name__ == "__main__":
    main()
