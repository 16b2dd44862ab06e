"""Figures of a refresh in MLflow, against a worked example."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mlflow.utils.validation import _validate_metric_name

from synalign.errors import RunError
from synalign.registry import metrics
from synalign.registry.release import Release
from synalign.tables import schema


def test_figures_are_few_and_grouped(release: Release) -> None:
    found = metrics.figures(release)
    groups = list(dict.fromkeys(name.split("/")[0] for name in found))
    assert groups == ["alignment", "weights", "retriever", "rows", "ledger", "pool", "cost", "seconds"]
    assert len(found) < 90
    for name in found:
        _validate_metric_name(name)


def test_alignment_and_cost_are_those_of_the_manifests(release: Release) -> None:
    found = metrics.figures(release)
    assert (found["alignment/mmd2_before"], found["alignment/mmd2_after"]) == (0.02, 0.01)
    assert found["alignment/times_closer"] == pytest.approx(2.0)
    assert found["alignment/p_value"] == 0.0004
    assert (found["cost/money"], found["cost/tokens_in"]) == (0.25, 1000)
    assert (found["retriever/ndcg_at_10_control"], found["retriever/difference_lower"]) == (0.5, -0.01)
    assert found["seconds/total"] == pytest.approx(1.5 * len(release.manifests))


def test_the_ledger_adds_up_in_mlflow_too(release: Release) -> None:
    found = metrics.figures(release)
    ledger = {name.removeprefix("ledger/"): value for name, value in found.items() if name.startswith("ledger/")}
    assert (ledger["accepted"], ledger["rejected.leak"], ledger["rejected.copied"]) == (6, 2, 0)
    assert (ledger["not_written.not_returned"], ledger["surplus.too_many"]) == (2, 5)
    assert ledger["asked_for"] == ledger["accepted"] + ledger["rejected"] + ledger["not_written"] == 12


def test_carried_queries_add_up_in_mlflow_too_and_reasons_that_did_not_occur_are_there(release: Release) -> None:
    found = metrics.figures(release)
    pool = {name.removeprefix("pool/"): value for name, value in found.items() if name.startswith("pool/")}
    assert (pool["found"], pool["carried"], pool["accepted"], pool["documents"]) == (8, 4, 3, 4)
    assert pool["found"] == pool["accepted"] + pool["left"] + pool["rejected"]
    assert (pool["left.written_again"], pool["left.retired"], pool["left.over_length"]) == (1, 2, 1)
    assert (pool["left.document_gone"], pool["rejected.leak"], pool["rejected.copied"]) == (0, 1, 0)
    # Of the weights 4, 1, 1, 1, 1 the first is of an earlier interval.
    assert pool["share_carried"] == pytest.approx(4 / 8)


def test_the_gates_line_is_a_metric_where_there_is_a_gate(release: Release) -> None:
    assert metrics.figures(release)["retriever/ndcg_at_10_gate"] == pytest.approx(0.5 * 0.98)
    release.configuration["evaluation"]["gate"] = None
    assert "retriever/ndcg_at_10_gate" not in metrics.figures(release)


def test_a_classifier_has_accuracy_and_macro_f1_and_no_ndcg(release: Release) -> None:
    evaluation = release.manifests["evaluate"]["metrics"]
    evaluation["measure"] = "accuracy"
    for name, content in evaluation["test"].items():
        compared = "_minus_" in name
        more = {"macro_f1_difference": 0.02, "macro_f1_lower": 0.01, "macro_f1_upper": 0.03}
        evaluation["test"][name] = content | (more if compared else {"accuracy": 0.8, "macro_f1": 0.7})
    found = {name: value for name, value in metrics.figures(release).items() if name.startswith("retriever/")}
    assert (found["retriever/accuracy_control"], found["retriever/macro_f1_treatment"]) == (0.8, 0.7)
    assert found["retriever/accuracy_gate"] == pytest.approx(0.8 * 0.98)
    assert (found["retriever/macro_f1_difference"], found["retriever/macro_f1_lower"]) == (0.02, 0.01)
    assert found["retriever/difference_lower"] == -0.01
    assert not any("ndcg" in name for name in found)


def test_carried_queries_that_do_not_add_up_are_refused(release: Release) -> None:
    release.manifests["carry"]["metrics"]["found"] = 9
    with pytest.raises(RunError, match="carried queries does not add up"):
        metrics.figures(release)


def test_weights_are_those_of_the_synthetic_rows_of_the_set(release: Release) -> None:
    # 4, 1, 1, 1, 1: the sum is 8, the sum of squares 20.
    found = metrics.figures(release)
    assert found["weights/effective_sample_size"] == pytest.approx(64 / 20)
    assert found["weights/effective_share"] == pytest.approx(64 / 20 / 5)
    assert found["weights/largest_share"] == pytest.approx(0.5)
    line = dict(metrics.series(release)["weights/cumulative_share"])
    assert [line[per_cent] for per_cent in (0, 20, 40, 60, 80, 100)] == pytest.approx(
        [0, 4 / 8, 5 / 8, 6 / 8, 7 / 8, 1]
    )


def test_uncertainty_has_a_point_for_each_batch(release: Release) -> None:
    assert metrics.series(release)["sampling/uncertainty"] == [(1, 1.0), (2, 0.5), (3, 0.25)]


def test_a_long_series_is_thinned_and_keeps_its_ends(release: Release) -> None:
    count = 3 * metrics.LONGEST_SERIES
    rows = [
        {"batch_id": str(batch), "position": 0, "query_id": "q", "role": "anchor", "variance": 1.0 / (1 + batch)}
        for batch in range(count)
    ]
    table = pa.Table.from_pylist(rows, schema("demonstrations"))
    pq.write_table(table, Path(release.folders["demonstrations"]) / "part-00000.parquet")
    line = metrics.series(release)["sampling/uncertainty"]
    assert (len(line), line[0], line[-1]) == (metrics.LONGEST_SERIES, (1, 1.0), (count, 1.0 / count))
    assert all(value == 1.0 / step for step, value in line)


def test_a_set_without_synthetic_rows_has_no_weights(release: Release) -> None:
    pq.write_table(schema("training_set").empty_table(), Path(release.location) / "part-00000.parquet")
    assert not [name for name in metrics.figures(release) if name.startswith("weights/")]
    assert "pool/share_carried" not in metrics.figures(release)
    assert "weights/cumulative_share" not in metrics.series(release)


def test_without_held_out_queries_the_distance_is_that_to_train_queries(release: Release) -> None:
    release.manifests["align"]["metrics"] = {"mmd2_before": 0.03, "mmd2_after": 0.0, "effective_sample_size": 2.0}
    found = metrics.figures(release)
    assert (found["alignment/mmd2_before"], found["alignment/mmd2_after"]) == (0.03, 0.0)
    assert "alignment/p_value" not in found
    assert "alignment/times_closer" not in found


def test_what_was_not_evaluated_has_no_figures(release: Release) -> None:
    del release.manifests["evaluate"]["metrics"]["test"]
    assert not [name for name in metrics.figures(release) if name.startswith("retriever/")]


def test_a_ledger_that_does_not_add_up_is_refused(release: Release) -> None:
    release.manifests["generate"]["metrics"]["ledger"]["asked_for"] = 13
    with pytest.raises(RunError, match="does not add up"):
        metrics.figures(release)


def test_a_cost_that_nobody_tells_is_no_metric_but_its_bound_is(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Release.metrics
    silent = {"money": None, "tokens_in": None, "money_at_most": 0.64, "usage_missing": 4}
    monkeypatch.setattr(
        Release, "metrics", lambda self, step: told(self, step) | (silent if step == "generate" else {})
    )
    found = metrics.figures(release)
    assert not {"cost/money", "cost/tokens_in"} & set(found)
    assert (found["cost/money_at_most"], found["cost/usage_missing"]) == (0.64, 4)


def test_a_judge_is_compared_over_the_nights_and_without_one_nothing_is_said(release: Release) -> None:
    assert not [name for name in metrics.figures(release) if name.startswith("judge/")]
    release.manifests["screen"]["metrics"]["judge"] = {
        "tokens": 420, "money": 0.5, "not_judged": 2, "round_trip": {"agreement": 0.75}, "clicks": {"share": None},
    }  # fmt: skip
    found = {name: value for name, value in metrics.figures(release).items() if name.startswith("judge/")}
    assert found == {
        "judge/tokens": 420, "judge/money": 0.5, "judge/not_judged": 2, "judge/round_trip_agreement": 0.75,
    }  # fmt: skip
