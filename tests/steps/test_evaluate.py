"""The step *evaluate* on a small made world: queries are documents seen through a mirror that an adapter can learn."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import accuracy_score, f1_score

from synalign.config import Configuration
from synalign.errors import InputError
from synalign.evaluation import material
from synalign.evaluation.arms import ARMS
from synalign.retriever.classifier import STRENGTHS
from synalign.run import Interval, Run
from synalign.steps.evaluate import evaluate
from synalign.steps.job import perform
from synalign.tables import schema

Make = Callable[..., Configuration]
Commit = Callable[..., Run]
INTERVAL = Interval.parse("2026-02-28", "2026-03-01")
TIME = pa.timestamp("us", tz="UTC")
DOCUMENTS, SPLITS = 40, ["train"] * 8 + ["validation"] * 25 + ["test"] * 25
MASSES = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
SETTINGS: dict[str, Any] = {"seeds": 2, "steps": 20, "batch_size": 8, "learning_rate": 0.2}


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def embeddings(ids: list[str], rows: np.ndarray) -> pa.Table:
    return pa.table({"id": ids, "embedding": pa.array(list(rows), pa.list_(pa.float32()))})


def world(
    splits: list[str] = SPLITS,
    *,
    moved: str = "",
    documents: int = DOCUMENTS,
    astray: bool = False,
    spike: bool = False,
) -> dict[str, pa.Table]:
    """Tables of a run up to *align*.

    Args:
        splits: Of the real queries, one pair each; query i asks for document i mod 30, so that some are cold.
        moved: A split whose queries all ask for the next document instead.
        documents: How many there are.
        astray: Whether written queries are seen through no mirror at all, so that they teach the wrong map.
        spike: Whether the aligned weights are those of a single query.
    """
    rng = np.random.default_rng(0)
    pages = unit(rng.normal(size=(documents, 8)))
    mirror = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    names = [f"d{row:03}" for row in range(documents)]
    wanted = [(row + (split == moved)) % min(30, documents) for row, split in enumerate(splits)]
    ids, written = [f"q{row:03}" for row in range(len(splits))], [f"c{row:03}" for row in range(60)]
    about = [row % documents for row in range(60)]
    none = {name: schema(name).empty_table() for name in ("rejected", "demonstrations", "requests", "attributes")}
    reasons = [None] * 50 + ["inconsistent"] * 5 + ["leak"] * 5
    weights = np.eye(50)[7] if spike else rng.dirichlet(np.ones(50))
    seen = -mirror if astray else mirror
    return none | {
        "queries": pa.table({
            "query_id": ids, "query": ids, "count": [1 + 99 * (row % 9 == 0) for row in range(len(ids))],
            "first_seen": pa.array([0] * len(ids), TIME), "last_seen": pa.array([0] * len(ids), TIME),
            "split": splits, "label": pa.array([None] * len(ids), pa.string()),
        }),
        "documents": pa.table({"document_id": names, "title": [""] * documents, "text": names}),
        "pairs": pa.table({
            "pair_id": ids, "query_id": ids, "query": ids, "document_id": [names[place] for place in wanted],
            "count": [1] * len(ids), "split": splits,
        }),
        "query_embeddings": embeddings(ids, unit(pages[wanted] @ mirror + 0.1 * rng.normal(size=(len(ids), 8)))),
        "document_embeddings": embeddings(names, pages),
        "candidates": pa.table({"candidate_id": written, "batch_id": ["b"] * 60, "query": written,
                                "document_id": [names[place] for place in about], "request_id": ["r"] * 60}),
        "candidate_embeddings": embeddings(written, unit(pages[about] @ seen + 0.1 * rng.normal(size=(60, 8)))),
        "screening": pa.table({"candidate_id": written, "status": ["accepted"] * 50 + ["rejected"] * 10,
                               "reason": pa.array(reasons, pa.string()), "score": [0.5] * 60}),
        "weights": pa.table({"candidate_id": written[:50] * 3, "scheme": np.repeat(ARMS[2:5], 50).tolist(),
                             "weight": np.concatenate([np.full(50, 0.02), np.full(50, 0.02), weights])}),
    }  # fmt: skip


def done(configuration: Configuration, commit: Commit, base: Path | None = None, **changed: Any) -> tuple[Run, dict]:
    run = commit(Run(configuration, INTERVAL, base), **world(**changed))
    perform(run, "evaluate", evaluate)
    return run, run.require("evaluate")["metrics"]


def mean(rows: list[dict], **where: Any) -> float:
    return float(np.mean([row["ndcg_at_10"] for row in rows if all(row[key] == value for key, value in where.items())]))


def test_every_arm_seed_and_judged_query_has_a_row_and_figures_are_those_of_the_rows(
    configuration: Make, commit: Commit
) -> None:
    run, metrics = done(configuration(evaluation=SETTINGS, seed=5), commit)
    rows = run.read("evaluation").to_pylist()
    assert run.read("evaluation").schema.equals(schema("evaluation"))
    assert len(rows) == len({(row["arm"], row["seed"], row["query_id"]) for row in rows}) == 6 * 2 * 50
    assert {row["seed"] for row in rows} == {5, 6}
    assert {row["step"] for row in rows} <= {0, 10, 20}
    assert {(row["query_id"], row["split"]) for row in rows} == {
        (f"q{place:03}", split) for place, split in enumerate(SPLITS) if split != "train"
    }
    for arm in ARMS:
        assert metrics["test"][arm]["ndcg_at_10"] == pytest.approx(mean(rows, arm=arm, split="test"))
        assert metrics["validation"][arm]["ndcg_at_10"] == pytest.approx(mean(rows, arm=arm, split="validation"))
    (chosen,) = run.read("choice").to_pylist()
    assert chosen["validated"]
    assert chosen["mass"] in MASSES
    ladder = metrics["ladder"]
    assert [(entry["mass"], entry["scheme"]) for entry in ladder[:2]] == [(0.0, "none"), (0.25, "equal")]
    (won,) = [entry for entry in ladder if (entry["round"], entry["mass"], entry["scheme"]) ==
              (2, chosen["mass"], chosen["scheme"])]  # fmt: skip
    assert won["ndcg_at_10"] == pytest.approx(mean(rows, arm=chosen["scheme"], split="validation"))
    assert won["difference"] > won["standard_error"] > 0.0
    assert won["ndcg_at_10"] - won["difference"] == pytest.approx(
        next(entry["ndcg_at_10"] for entry in ladder if entry["round"] == 2
             and (entry["mass"], entry["scheme"]) == (won["against"]["mass"], won["against"]["scheme"]))
    )  # fmt: skip
    assert (metrics["mass"], metrics["arms_mass"]) == (chosen["mass"], chosen["mass"])
    assert metrics["test"]["treatment"] == metrics["test"][chosen["scheme"]]
    assert metrics["test"]["treatment_minus_control"]["difference"] == pytest.approx(
        mean(rows, arm=chosen["scheme"], split="test") - mean(rows, arm="control", split="test")
    )
    assert metrics["scheme"] == chosen["scheme"]
    # More queries about more documents make the map easier to find.
    assert metrics["test"]["treatment_minus_control"]["lower"] > 0.0
    assert metrics["gate"]["status"] == "passed"
    sizes = metrics["synthetic"]
    assert (sizes["unweighted"]["rows"], sizes["equal"]["rows"], sizes["aligned"]["rows"]) == (55, 50, 50)
    assert sizes["random_subset"]["rows"] == round(sizes["aligned"]["effective_sample_size"])
    assert {row["segment"] for row in rows if row["query_id"] in ("q036", "q045")} == {"head"}
    assert {row["segment"] for row in rows if row["query_id"] in ("q037", "q046")} == {"tail"}
    assert sum(figures["queries"] for name, figures in metrics["segments"].items() if "document" in name) == 25


def test_the_same_tables_give_the_same_bytes(configuration: Make, commit: Commit, tmp_path: Path) -> None:
    settings = configuration(evaluation={**SETTINGS, "steps": 4})
    first, second = (done(settings, commit, tmp_path / name)[0] for name in ("one", "two"))
    for table in ("evaluation", "choice"):
        assert first.digest(table) == second.digest(table)


def test_test_queries_play_no_part_in_the_choice(configuration: Make, commit: Commit, tmp_path: Path) -> None:
    settings = configuration(evaluation={**SETTINGS, "steps": 4})
    runs = [done(settings, commit, tmp_path / (moved or "none"), moved=moved)[0] for moved in ("", "test")]
    assert runs[0].digest("evaluation") != runs[1].digest("evaluation")
    assert runs[0].digest("choice") == runs[1].digest("choice")


@pytest.mark.parametrize(
    ("evaluation", "splits", "why", "rows"),
    [
        ({"retriever": "none"}, SPLITS, "evaluation.retriever is none", 0),
        (SETTINGS, ["train"] * 8 + ["test"] * 25, "no real pair is in the split validation", 6 * 2 * 25),
        (SETTINGS, ["train"] * 8 + ["validation"] + ["test"] * 25, "one validation query has no", 6 * 2 * 26),
    ],
)
def test_where_nothing_can_choose_the_configured_scheme_holds_and_says_so(
    configuration: Make, commit: Commit, evaluation: dict[str, Any], splits: list[str], why: str, rows: int
) -> None:
    settings = configuration(evaluation=evaluation, alignment={"scheme": "equal_mass", "mass": 3.0})
    run, metrics = done(settings, commit, splits=splits)
    (chosen,) = run.read("choice").to_pylist()
    assert (chosen["scheme"], chosen["mass"], chosen["validated"]) == ("equal_mass", 3.0, False)
    assert "ladder" not in metrics
    assert why in chosen["reason"]
    assert run.rows("evaluation") == rows
    assert metrics["gate"]["status"] == ("passed" if rows else "not evaluated")


def test_where_written_queries_only_harm_real_pairs_alone_are_the_set(configuration: Make, commit: Commit) -> None:
    splits = ["train"] * 60 + ["validation"] * 40 + ["test"] * 25
    run, metrics = done(configuration(evaluation=SETTINGS), commit, splits=splits, astray=True)
    (chosen,) = run.read("choice").to_pylist()
    assert (chosen["scheme"], chosen["mass"], chosen["validated"]) == ("none", 0.0, True)
    assert "not better than real pairs alone by more than one standard error" in chosen["reason"]
    assert metrics["gate"] == {
        "status": "passed",
        "reason": "the training set is the real pairs alone, as the control's is",
    }
    assert metrics["test"]["treatment"] == metrics["test"]["control"]
    assert metrics["test"]["treatment_minus_control"]["difference"] == 0.0
    # What written queries would have done is still to be seen, at the configured mass.
    assert metrics["arms_mass"] == 2.0
    assert metrics["test"]["equal_minus_control"]["difference"] < 0.0
    assert run.rows("evaluation") == 6 * 2 * 65


@pytest.mark.parametrize("masses", [[0.0], [2.0], [0.0, 4.0]])
def test_only_the_listed_masses_are_chosen_among(configuration: Make, commit: Commit, masses: list[float]) -> None:
    settings = configuration(evaluation={**SETTINGS, "steps": 4, "masses": masses})
    run, metrics = done(settings, commit)
    (chosen,) = run.read("choice").to_pylist()
    assert chosen["validated"]
    assert {entry["mass"] for entry in metrics["ladder"]} == set(masses)
    assert chosen["mass"] in masses
    assert (chosen["scheme"] == "none") == (chosen["mass"] == 0.0)
    assert run.rows("evaluation") == 6 * 2 * 50


def test_weights_that_all_lie_on_one_query_can_be_tried(configuration: Make, commit: Commit) -> None:
    run, metrics = done(configuration(evaluation={**SETTINGS, "steps": 4}), commit, spike=True)
    assert metrics["synthetic"]["aligned"]["effective_sample_size"] == 1.0
    assert all(np.isfinite(entry["minus_chosen_standard_error"]) for entry in metrics["ladder"])
    assert run.rows("choice") == 1


def test_real_pairs_of_one_document_train_no_retriever(configuration: Make, commit: Commit) -> None:
    splits = ["train"] + ["test"] * 25
    run, metrics = done(configuration(evaluation=SETTINGS), commit, splits=splits)
    assert not metrics["validated"]
    assert "one document" in metrics["reason"]
    assert run.rows("evaluation") == 0


def test_without_test_queries_the_gate_saw_nothing(configuration: Make, commit: Commit) -> None:
    splits = ["train"] * 8 + ["validation"] * 25
    _, metrics = done(configuration(evaluation={**SETTINGS, "steps": 2}), commit, splits=splits)
    assert metrics["validated"]
    assert metrics["gate"] == {"status": "not evaluated", "reason": "no real pair is in the split test"}
    assert "test" not in metrics


def test_without_a_real_train_pair_there_is_nothing_to_compare_with(configuration: Make, commit: Commit) -> None:
    with pytest.raises(InputError, match="no real pair is in the split train"):
        done(configuration(evaluation=SETTINGS), commit, splits=["test"] * 20)


def test_a_large_corpus_keeps_what_is_needed_and_some_others(
    configuration: Make, commit: Commit, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = world(documents=200)
    monkeypatch.setattr(material, "DOCUMENTS", 100)
    monkeypatch.setattr(material, "JUDGED", {"validation": 10, "test": 7})
    monkeypatch.setattr(material, "REAL_PAIRS", 6)
    found = material.read(commit(Run(configuration(), INTERVAL), **content))
    assert len(found.collection.documents) == 100
    needed = {f"d{row:03}" for row in range(55)}
    assert needed <= set(found.collection.documents) < set(content["documents"]["text"].to_pylist())
    assert [len(found.judged[split].ids) for split in ("validation", "test")] == [10, 7]
    assert len(found.real.query) == 6


def test_texts_and_vectors_are_those_of_their_ids(configuration: Make, commit: Commit) -> None:
    content = world()
    found = material.read(commit(Run(configuration(), INTERVAL), **content))
    vectors = {row["id"]: row["embedding"] for name in ("query", "candidate", "document")
               for row in content[f"{name}_embeddings"].to_pylist()}  # fmt: skip
    for texts, rows in (
        (found.collection.queries, found.collection.query_vectors),
        (found.collection.documents, found.collection.document_vectors),
    ):
        assert [vectors[text] for text in texts] == rows.tolist()
    asked = {row["query"]: row["document_id"] for name in ("pairs", "candidates") for row in content[name].to_pylist()}
    for pairs in (found.real, found.written, *(judged.pairs for judged in found.judged.values())):
        for query, document in zip(pairs.query, pairs.document, strict=True):
            assert asked[found.collection.queries[query]] == found.collection.documents[document]
    written = [found.collection.queries[place] for place in found.written.query]
    assert written == [f"c{row:03}" for row in range(55)]
    weights = {
        row["candidate_id"]: row["weight"] for row in content["weights"].to_pylist() if row["scheme"] == "aligned"
    }
    assert found.pool.weights["aligned"].tolist() == [weights[name] for name in written[:50]]


def test_a_query_with_several_documents_is_one_query(configuration: Make, commit: Commit) -> None:
    content = world()
    again = content["pairs"].slice(8, 5).to_pylist()
    more = [row | {"pair_id": "again" + row["pair_id"], "document_id": "d039"} for row in again]
    content["pairs"] = pa.concat_tables([content["pairs"], pa.Table.from_pylist(more)])
    judged = material.read(commit(Run(configuration(), INTERVAL), **content)).judged["validation"]
    assert len(judged.ids) == 25
    assert [len(documents) for documents in judged.relevant[:6]] == [2, 2, 2, 2, 2, 1]
    assert len(judged.pairs.query) == 30


LABELLED: dict[str, Any] = {"task": "classification", "source": {"kind": "labelled", "path": "texts"}}


def test_classifiers_are_judged_by_accuracy_and_macro_f1(configuration: Make, commit: Commit) -> None:
    """Real train texts have the labels 0 to 7; written ones have all 40."""
    run, metrics = done(configuration(evaluation={"seeds": 2}, teacher={"kind": "encoder"}, **LABELLED), commit)
    rows = run.read("evaluation").to_pylist()
    assert run.read("evaluation").schema.equals(schema("evaluation"))
    assert len(rows) == 6 * 2 * 50
    assert (metrics["measure"], metrics["teacher"]) == ("accuracy", "none")
    label = {row["query_id"]: row["document_id"] for row in run.read("pairs").to_pylist()}
    for row in rows:
        assert row["accuracy"] == float(row["predicted"] == label[row["query_id"]])
    for arm in (*ARMS, "treatment"):
        mine = metrics["scheme"] if arm == "treatment" else arm
        for split in ("validation", "test") if arm in ARMS else ("test",):
            predicted = {
                seed: [row for row in rows if (row["arm"], row["seed"], row["split"]) == (mine, seed, split)]
                for seed in (0, 1)
            }
            both = [
                ([label[row["query_id"]] for row in found], [row["predicted"] for row in found])
                for found in predicted.values()
            ]
            assert metrics[split][arm]["accuracy"] == pytest.approx(np.mean([accuracy_score(*one) for one in both]))
            if split == "test":
                f1 = [f1_score(*one, labels=sorted(set(one[0])), average="macro", zero_division=0.0) for one in both]
                assert metrics[split][arm]["macro_f1"] == pytest.approx(np.mean(f1))
    # No label of a validation or test text but those of few has a real train text.
    assert {row["predicted"] for row in rows if row["arm"] == "control"} <= {f"d{place:03}" for place in range(8)}
    compared = metrics["test"]["treatment_minus_control"]
    assert compared["lower"] > 0.0 and compared["macro_f1_lower"] > 0.0
    assert compared["macro_f1_difference"] == pytest.approx(
        metrics["test"]["treatment"]["macro_f1"] - metrics["test"]["control"]["macro_f1"]
    )
    assert metrics["ladder"][0]["accuracy"] == metrics["validation"]["control"]["accuracy"]
    assert "ndcg_at_10" not in metrics["ladder"][0]
    assert "accuracy" in metrics["reason"] and "the control's accuracy at" in metrics["gate"]["reason"]
    assert {row["step"] for row in rows} <= set(STRENGTHS)


def test_predictions_of_test_texts_play_no_part_in_the_choice_of_a_classifier(
    configuration: Make, commit: Commit, tmp_path: Path
) -> None:
    settings = configuration(evaluation={"seeds": 1}, **LABELLED)
    runs = [done(settings, commit, tmp_path / (moved or "none"), moved=moved)[0] for moved in ("", "test")]
    assert runs[0].digest("evaluation") != runs[1].digest("evaluation")
    assert runs[0].digest("choice") == runs[1].digest("choice")


@pytest.mark.parametrize(
    ("splits", "documents", "why", "rows"),
    [
        (["train"] * 8 + ["test"] * 25, DOCUMENTS, "no real pair is in the split validation", 6 * 25),
        (["train"] * 8 + ["validation"] * 25, DOCUMENTS, "", 6 * 25),
        (["train"] * 8 + ["test"] * 25, 1, "one document, with none to tell it from", 0),
    ],
)
def test_classifiers_without_a_split_or_with_one_label(
    configuration: Make, commit: Commit, splits: list[str], documents: int, why: str, rows: int
) -> None:
    settings = configuration(evaluation={"seeds": 1}, **LABELLED)
    run, metrics = done(settings, commit, splits=splits, documents=documents)
    assert run.rows("evaluation") == rows
    assert why in metrics["reason"]
    assert metrics["validated"] is ("validation" in splits)
    assert ("test" in metrics) is ("test" in splits and rows > 0)


def test_a_label_that_only_test_texts_have_is_never_found(configuration: Make, commit: Commit) -> None:
    content = world()
    rows = content["candidates"].to_pylist()
    content["candidates"] = pa.Table.from_pylist([{**row, "document_id": f"d{n % 8:03}"} for n, row in enumerate(rows)])
    run = commit(Run(configuration(evaluation={"seeds": 1}, **LABELLED), INTERVAL), **content)
    perform(run, "evaluate", evaluate)
    unseen = {row["query_id"] for row in content["pairs"].to_pylist() if row["document_id"] >= "d008"}
    found = [row for row in run.read("evaluation").to_pylist() if row["query_id"] in unseen]
    assert found and not any(row["accuracy"] for row in found)
    assert not any(row["ndcg_at_10"] for row in found)
