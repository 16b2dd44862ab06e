"""A finished refresh as it is registered: its names, and what makes it another release."""

from __future__ import annotations

import hashlib

from synalign.registry.release import Release
from tests.registry.conftest import DIGEST


def test_names_rows_and_tables_are_those_of_the_manifests(release: Release) -> None:
    assert (release.model, release.digest, release.writer) == ("shop-training-set", DIGEST, "synalign-embedded-writer")
    assert release.rows("training_set") == release.rows("queries") == 3
    assert release.read("training_set", ["weight"])["weight"].to_pylist() == [1.0, 1.0, 1.0, 4.0, 1.0, 1.0, 1.0]
    assert release.metrics("align")["effective_sample_size"] == 5.0


def test_another_interval_check_or_evaluation_is_another_release(release: Release) -> None:
    gate = {"status": "failed", "reason": "loses 1 %"}
    evaluate = {**release.manifests["evaluate"], "metrics": {**release.evaluation, "gate": gate}}
    others = [
        release._replace(interval="20260301T000000Z-20260302T000000Z"),
        release._replace(failures=("too few rows",)),
        release._replace(retriever="other"),
        release._replace(manifests={**release.manifests, "evaluate": evaluate}),
    ]
    keys = {release.key, *(other.key for other in others)}
    assert len(keys) == 5
    assert release._replace(configuration={}).key == release.key
    assert {len(key) for key in keys} <= {16, 32, hashlib.sha256().digest_size * 2}
