"""A retriever's configuration as a whole: sections that must fit each other."""

from collections.abc import Callable

import pytest

from synalign import config

LABELLED = {"kind": "labelled", "path": "texts.csv"}


@pytest.mark.parametrize(
    "sections",
    [
        {"task": "classification"},
        {"task": "retrieval", "source": LABELLED},
        {"source": LABELLED},
        {"task": "classification", "source": {"kind": "beir", "path": "x"}},
    ],
)
def test_a_source_must_fit_its_task(
    configuration: Callable[..., config.Configuration], sections: dict[str, object]
) -> None:
    with pytest.raises(
        ValueError, match="kind must be labelled for task classification, log, ubi or beir for task ret"
    ):
        configuration(**sections)


def test_a_balance_of_labels_needs_labels(configuration: Callable[..., config.Configuration]) -> None:
    with pytest.raises(ValueError, match="label_balance equal is for task classification"):
        configuration(sampling={"label_balance": "equal"})
    assert configuration(task="classification", source=LABELLED, sampling={"label_balance": "equal"})


def test_what_begins_with_the_encoders_weights_is_refused_where_they_are_behind_an_endpoint(
    configuration: Callable[..., config.Configuration],
) -> None:
    served = {"model": "m", "endpoint": "http://127.0.0.1:8080/v1"}
    for kind in ("static", "full"):
        with pytest.raises(ValueError, match=f"retriever must be adapter or none with encoder.endpoint: {kind} begins"):
            configuration(encoder=served, evaluation={"retriever": kind})
    with pytest.raises(ValueError, match=r"model must be given for trigger training_set with encoder\.endpoint"):
        configuration(encoder=served, training={"trigger": "training_set"})
    assert configuration(encoder=served, training={"trigger": "training_set", "model": "/models/mine"})
    with pytest.raises(ValueError, match="embedding_cache must be true"):
        configuration(encoder=served, runtime={"embedding_cache": False})
    assert configuration(encoder=served).evaluation.retriever == "adapter"


def test_a_label_is_asked_for_as_many_texts_as_a_batch_of_documents_within_bounds(
    configuration: Callable[..., config.Configuration],
) -> None:
    def asked(**generation: int) -> tuple[int, int]:
        return tuple(
            configuration(generation=generation, **task).queries_per_target
            for task in ({}, {"task": "classification", "source": LABELLED})
        )  # type: ignore[return-value]

    assert asked(documents_per_batch=6, queries_per_document=4) == (4, 24)
    assert asked(documents_per_batch=64, queries_per_document=4) == (4, 64)


def test_templates_are_kept_beside_the_settings_and_are_none_of_them(
    configuration: Callable[..., config.Configuration],
) -> None:
    plain = configuration()
    own = plain.with_templates({"write": "Write."})
    assert (dict(plain.templates), dict(own.templates)) == ({}, {"write": "Write."})
    assert own.model_dump() == plain.model_dump()
