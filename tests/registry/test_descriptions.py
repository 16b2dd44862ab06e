"""What people read in MLflow."""

from synalign.registry import descriptions
from synalign.registry.release import Release


def test_the_first_line_is_a_verdict_in_plain_text(release: Release) -> None:
    text = descriptions.of_release(release, "models:/shop-training-set/1")
    assert text.splitlines()[0] == "All checks passed. 3 rows, 2026-02-28 to 2026-03-01."
    one = release._replace(failures=("effective share 0.01 is below 0.1",))
    assert descriptions.of_release(one, "x").startswith("1 check failed. 3 rows")
    assert "- Check failed: effective share 0.01 is below 0.1." in descriptions.of_release(one, "x")


def test_counts_and_figures_are_those_of_the_manifests(release: Release) -> None:
    text = descriptions.of_release(release, "models:/shop-training-set/1", ["[Report](#/there)"])
    assert "| Asked for | 12 queries = 6 accepted + 4 rejected + 2 not written |" in text
    assert "| Of earlier intervals | 8 queries = 3 accepted + 4 left behind + 1 rejected |" in text
    assert "`interval` and `request_id` say where a written row came from" in text
    assert "| Rows | 2 real train, 5 synthetic train, written by synalign-embedded-writer |" in text
    assert "| 0.02 \u2192 0.01, p &lt; 0.001; with the aligned weights, which were not chosen |" in text
    assert "| Test nDCG@10 | 0.5000 with the set, 0.5000 with real pairs alone: +0.0000 [-0.0100, +0.0100] |" in text
    assert "[Report](#/there)" in text
    assert 'mlflow.artifacts.download_artifacts("models:/shop-training-set/1")' in text


def test_a_first_interval_has_no_row_of_earlier_ones(release: Release) -> None:
    release.manifests["carry"]["metrics"] = {"found": 0, "carried": 0, "left": {}, "intervals": 0}
    release.manifests["screen"]["metrics"]["carried"] = {
        "candidates": 0, "accepted": 0, "rejected": {}, "written_again": 0,
    }  # fmt: skip
    assert "Of earlier intervals" not in descriptions.of_release(release, "x")


def test_a_set_of_real_pairs_alone_says_so_and_which_checks_say_nothing(release: Release) -> None:
    release.manifests["evaluate"]["metrics"] |= {"scheme": "none", "mass": 0.0, "reason": "not better than real pairs"}
    text = descriptions.of_release(release, "x")
    assert "| Weights | real pairs alone: not better than real pairs |" in text
    assert "Checks of synthetic rows: not judged, real pairs alone were best." in text
    assert text.startswith("All checks passed.")


def test_the_mass_stands_beside_the_weights(release: Release) -> None:
    assert "| Weights | equal_mass: best of three" in descriptions.of_release(release, "x")
    release.manifests["evaluate"]["metrics"]["mass"] = 0.5
    text = descriptions.of_release(release, "x")
    assert "| Weights | equal_mass at mass 0.5: best of three" in text
    assert "not judged" not in text


def test_names_from_outside_stay_in_their_cell_as_text(release: Release) -> None:
    release.manifests["generate"]["metrics"]["model"] = "a|b`<img src=x onerror=alert(1)>`\n# heading [x](javascript:y)"
    text = descriptions.of_release(release, "x")
    assert "<img" not in text
    assert "written by a\\|b'&lt;img src=x onerror=alert(1)&gt;' # heading [x]\\(javascript:y) |" in text


def test_a_release_without_evaluation_says_so_and_no_more(release: Release) -> None:
    release.manifests["align"]["metrics"] = {"effective_sample_size": 5.0}
    release.manifests["evaluate"]["metrics"] = {
        "scheme": "aligned", "validated": False, "reason": "not validated",
        "gate": {"status": "off", "reason": "no gate is set"},
    }  # fmt: skip
    text = descriptions.of_release(release, "x")
    assert "not measured: no held-out query" in text
    assert "Test nDCG@10" not in text


def test_intervals_within_a_day_show_their_hours() -> None:
    names = [descriptions.interval_name(f"20260228T{start}0000Z-20260228T{start + 1}0000Z") for start in (10, 11, 12)]
    assert names == sorted(names)
    assert names[0] == "2026-02-28 10:00 to 2026-02-28 11:00"


def test_a_version_of_a_classifier_says_its_accuracy_and_macro_f1(release: Release) -> None:
    evaluation = release.manifests["evaluate"]["metrics"]
    evaluation["measure"] = "accuracy"
    for name, content in evaluation["test"].items():
        more = {"macro_f1_difference": 0.02, "macro_f1_lower": 0.01, "macro_f1_upper": 0.03}
        evaluation["test"][name] = content | (more if "_minus_" in name else {"accuracy": 0.8, "macro_f1": 0.7})
    rows = dict(descriptions._rows(release))
    assert rows["Test accuracy"] == "0.8000 with the set, 0.8000 with real pairs alone: +0.0000 [-0.0100, +0.0100]"
    assert rows["Test macro-F1"] == "0.7000 with the set, 0.7000 with real pairs alone: +0.0200 [+0.0100, +0.0300]"
    assert "Test nDCG@10" not in rows
