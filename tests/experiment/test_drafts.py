"""Drafts of plans: valid once the open fields are filled, and not before."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from synalign.errors import ConfigurationError
from synalign.experiment import TrainingSet, draft, load_plan
from synalign.experiment.plan import parse_plan


def test_a_draft_is_a_plan_once_the_open_fields_are_filled(tmp_path: Path, content: dict[str, Any]) -> None:
    trained = TrainingSet(model="shop-training-set", version="7", digest="ab" * 32)
    text = draft("shop", trained, date(2026, 3, 2), owner="search: 1st", control_uri="s3://a#b", control_set=trained)
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as error:
        load_plan(path)
    still_open = [line.split(": ")[1].split(" is empty")[0] for line in error.value.message.splitlines()]
    assert still_open == ["hypothesis", "arms.1.model_uri", "minimum_detectable_effect",
                          "baseline.mean", "baseline.variance", "baseline.units_per_day"]  # fmt: skip
    filled = yaml.safe_load(text)
    filled |= {"hypothesis": "More clicks.", "baseline": content["baseline"], "minimum_detectable_effect": 0.05}
    filled["arms"][1]["model_uri"] = "s3://c"
    made = parse_plan(filled, "filled")
    assert (made.owner, made.arm("control").model_uri) == ("search: 1st", "s3://a#b")
    assert made.arm("treatment").training_set == made.arm("control").training_set == trained
    assert set(yaml.safe_load(text)) == set(content) | set(), "a draft shows every field"


def test_a_draft_names_the_retriever_that_is_tried_where_it_is_known() -> None:
    text = draft("shop", None, date(2026, 3, 2), treatment_uri='models:/shop/3 # "new"')
    assert yaml.safe_load(text)["arms"][1]["model_uri"] == 'models:/shop/3 # "new"'


def test_a_draft_without_anything_known_names_all_that_is_missing() -> None:
    with pytest.raises(ConfigurationError) as error:
        parse_plan(yaml.safe_load(draft("shop", None, date(2026, 3, 2))), "draft")
    for key in ("owner", "arms.0.model_uri", "arms.1.model_uri"):
        assert f"draft: {key} is empty" in error.value.message
