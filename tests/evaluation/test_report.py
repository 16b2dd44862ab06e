"""What a person reads of an evaluation: a page with the figures of the manifest and no others."""

import re
from typing import Any

from synalign.evaluation.arms import ARMS, CONTRASTS
from synalign.evaluation.report import report


def evaluation(queries: int = 450) -> dict[str, Any]:
    ends = {"lower": -0.0211, "upper": 0.0533} if queries >= 20 else {}
    compared = {"difference": 0.0123, "p_value": 0.0417, "queries": queries, "seeds": 3, **ends}
    test: dict[str, Any] = {}
    for place, arm in enumerate(ARMS):
        mean = 0.301 + place / 100
        test[arm] = {"ndcg_at_10": mean, "mrr_at_10": 0.2, "recall_at_10": 0.4, "recall_at_100": 0.8}
        if queries >= 20:
            test[arm] |= {"ndcg_at_10_lower": mean - 0.02, "ndcg_at_10_upper": mean + 0.02}
    test |= {f"{arm}_minus_control": compared for arm in ARMS[1:]}
    test |= {f"{arm}_minus_{other}": compared for arm, other in CONTRASTS}
    test |= {"treatment": test["equal_mass"], "treatment_minus_control": compared}
    return {
        "scheme": "equal_mass", "validated": True, "reason": "best of three on 225 validation queries",
        "gate": {"status": "passed", "reason": "not shown to lose more than 0.5 %"},
        "retriever": "static", "seeds": 3, "real_pairs": 100, "documents_ranked": 240, "test": test,
        "segments": {"cold_document": {"control": 0.1, "treatment": 0.2, **compared},
                     "head": {"control": 0.5, "treatment": 0.6, **compared},
                     "tail": {"control": 0.31, "treatment": 0.33, **compared}},
    }  # fmt: skip


def test_the_page_has_choice_gate_every_arm_and_every_segment() -> None:
    page = report(evaluation())
    assert "**equal_mass**, best of three on 225 validation queries" in page
    assert "Gate **passed**: not shown to lose more than 0.5 %" in page
    assert (
        "| equal_mass (treatment) | 0.3310 | 0.2000 | 0.4000 | 0.8000 | +0.0123 [-0.0211, +0.0533] | 0.0417 |" in page
    )
    assert "| control | 0.3010 | 0.2000 | 0.4000 | 0.8000 |  |  |" in page
    assert "| tail | 450 | 0.3100 | 0.3300 | +0.0123 [-0.0211, +0.0533] | 0.0417 |" in page
    assert "| aligned | random_subset | +0.0123 [-0.0211, +0.0533] | 0.0417 |" in page
    assert page.index("| head |") < page.index("| tail |") < page.index("| cold document |")
    assert [row for row in ARMS if f"| {row} " not in page] == []
    for table in re.findall(r"(?:\|.*\n)+", page):
        assert len({row.count("|") for row in table.splitlines()}) == 1


def test_without_test_queries_the_page_is_choice_and_gate() -> None:
    content = {key: value for key, value in evaluation().items() if key in ("scheme", "validated", "reason", "gate")}
    assert report(content).count("\n") == 5


def test_too_few_queries_for_an_interval_are_said_to_be_too_few() -> None:
    assert "(too few queries for an interval)" in report(evaluation(19))


def test_a_classifier_is_told_in_accuracy_and_macro_f1() -> None:
    content = evaluation() | {"measure": "accuracy"}
    for name, found in content["test"].items():
        more = {"macro_f1_difference": 0.02, "macro_f1_lower": 0.01, "macro_f1_upper": 0.03}
        content["test"][name] = found | (more if "_minus_" in name else {"accuracy": 0.8, "macro_f1": 0.7})
    page = report(content)
    assert "`static` classifiers" in page and "ranking 240 labels" in page
    assert "| arm | accuracy | macro-F1 | MRR@10 | accuracy minus control | p | macro-F1 minus control |" in page
    assert (
        "| aligned | 0.8000 | 0.7000 | 0.2000 | +0.0123 [-0.0211, +0.0533] | 0.0417 | +0.0200 [+0.0100, +0.0300] |"
        in page
    )
    assert "nDCG" not in page
    for table in re.findall(r"(?:\|.*\n)+", page):
        assert len({row.count("|") for row in table.splitlines()}) == 1
