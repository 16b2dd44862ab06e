"""The step *carry*: takes up what earlier intervals wrote, as far as today's documents, splits and settings allow.

The rules are in `synalign.pool`; here are only the tables around them.
"""

from __future__ import annotations

import logging

from synalign.pool.nights import nights
from synalign.pool.uptake import take_up
from synalign.prompts.templates import digests
from synalign.run import Attempt, Run

log = logging.getLogger("synalign")


def outside(run: Run) -> dict[str, str]:
    """Return the digests of what is read of earlier intervals, by interval: see `synalign.steps.job.main`.

    Where only today's prompts are carried on (`pool.writer`), those of the prompts as well.
    """
    prompts = digests(run.configuration) if run.configuration.pool.writer == "current" else {}
    return {**{night.interval: night.digest for night in nights(run)}, **prompts}


def carry(attempt: Attempt) -> None:
    """Write `carried`: empty for a retriever's first interval, and where `pool.nights` is 0.

    Raises:
        RunError: An earlier interval is damaged.
    """
    found = take_up(attempt.run)
    attempt.write("carried", found.rows)
    attempt.metrics.update(
        {"found": found.found, "carried": len(found.rows), "left": found.left, "intervals": found.nights}
    )
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in found.left.items()) or "none"
    log.info(
        "carry: %s of %s queries of %d earlier intervals are judged again; left behind: %s",
        f"{len(found.rows):,}", f"{found.found:,}", found.nights, reasons,
    )  # fmt: skip
