"""A task whose job runs on another machine, started and followed by an operator of Airflow's providers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.sdk import BaseOperator, BaseOperatorLink

from synalign.orchestration.job_outcomes import in_the_jobs_words, taken


class Elsewhere(BaseOperator):
    """Adds to an operator what a task with a job has: the job's summary, its own words where it failed, and links.

    Stands before the operator among the bases of a class. Airflow comes back to `execute`, or to `execute_complete`
    where the operator waited in the triggerer.

    Args:
        ended_at: Where the job says how it ended; a template.
        links: Buttons of the task, beside the operator's own.
        arguments: The operator's.
    """

    operator_extra_links: Sequence[BaseOperatorLink]

    def __init__(self, *, ended_at: str, links: Sequence[BaseOperatorLink] = (), **arguments: Any) -> None:
        super().__init__(**arguments)
        self.ended_at = ended_at
        self.operator_extra_links = (*self.operator_extra_links, *links)

    def execute(self, context: Any, *event: Any, **more: Any) -> Any:
        """Start the job; return its summary if it has ended, and defer if the operator does."""
        with in_the_jobs_words(lambda: taken(self.ended_at)):
            super().execute(context, *event, **more)
        return taken(self.ended_at).summary

    def execute_complete(self, context: Any, *event: Any, **more: Any) -> Any:
        """Return the summary of the job, which has ended while the task was deferred."""
        with in_the_jobs_words(lambda: taken(self.ended_at)):
            super().execute_complete(context, *event, **more)
        return taken(self.ended_at).summary
