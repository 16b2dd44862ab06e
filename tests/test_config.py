from collections.abc import Callable
from pathlib import Path

import pytest

from synalign import config


def test_a_configuration_cannot_be_changed(configuration: Callable[..., config.Configuration]) -> None:
    loaded = configuration()
    with pytest.raises(ValueError, match="frozen"):
        loaded.seed = 3  # type: ignore[misc]


def test_no_section_takes_a_secret() -> None:
    names = set(config.Generation.model_fields) | set(config.Configuration.model_fields)
    assert not {name for name in names if name in ("api_key", "password", "token", "secret")}


def test_every_runtime_setting_says_why_it_changes_no_result() -> None:
    assert set(config.RUNTIME_REASONS) == set(config.Runtime.model_fields)


def test_relative_paths_start_at_home_and_absolute_ones_stay(home: Path) -> None:
    assert config.resolve("data/x") == home / "data" / "x"
    assert config.resolve("/data/x") == Path("/data/x")


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
    with pytest.raises(ValueError, match="kind must be labelled for task classification, log or beir for task ret"):
        configuration(**sections)


def test_a_balance_of_labels_needs_labels(configuration: Callable[..., config.Configuration]) -> None:
    with pytest.raises(ValueError, match="label_balance equal is for task classification"):
        configuration(sampling={"label_balance": "equal"})
    assert configuration(task="classification", source=LABELLED, sampling={"label_balance": "equal"})


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
