"""Figures side by side: taken from where the manifests have them, left out where neither set has them."""

from types import SimpleNamespace
from typing import Any

from synalign.changes.figures import figures


def side(**manifests: Any) -> Any:
    """A set with these manifests."""
    return SimpleNamespace(
        manifests={step: {"seconds": 2.5, **content} for step, content in manifests.items()},
        metrics=lambda step: manifests.get(step, {}).get("metrics", {}),
    )


def test_a_figure_is_shown_where_one_of_the_sets_has_it() -> None:
    before = side(ingest={"tables": {"queries": {"rows": 0}}}, screen={"metrics": {"accepted": 3}})
    after = side(
        generate={"metrics": {"ledger": {"asked_for": 8}, "money": 1.5, "currency": "EUR"}},
        screen={"metrics": {"accepted": 4}},
        align={"metrics": {"synthetic": 4, "effective_sample_size": 3.0}},
        evaluate={"metrics": {"test": {"control": {"ndcg_at_10": 0.25}}, "gate": {}}},
    )
    found = {figure.name: (figure.before, figure.after) for figure in figures(before, after)}
    assert found == {
        "distinct queries": (0, None),
        "queries asked for": (None, 8),
        "accepted": (3, 4),
        "accepted of asked for": (None, 0.5),
        "effective share of rows": (None, 0.75),
        "nDCG@10, real pairs alone": (None, 0.25),
        "money": (None, "1.50 EUR"),
        "seconds of all steps": (5.0, 10.0),
    }


def test_classifiers_are_compared_by_accuracy_and_macro_f1() -> None:
    control = {"ndcg_at_10": 0.9, "accuracy": 0.75, "macro_f1": 0.5}
    before, after = (
        side(evaluate={"metrics": {"measure": "accuracy", "test": {"control": {**control, "accuracy": score}}}})
        for score in (0.75, 0.875)
    )
    found = {figure.name: (figure.before, figure.after) for figure in figures(before, after)}
    assert found["accuracy, real pairs alone"] == (0.75, 0.875)
    assert found["macro-F1, real pairs alone"] == (0.5, 0.5)
    assert not any("nDCG" in name for name in found)
