"""The states of a batch at a provider. Known to Airflow's triggerer too: nothing heavy is imported here."""

ENDED = frozenset({"completed", "expired", "cancelled", "failed"})
"""A batch in one of these never changes again."""
