"""Folders of models that may be loaded; that nothing else is loaded is tested with real models in tests/security."""

import json
from pathlib import Path
from typing import Any

import pytest

from synalign.embedding.model_files import PICKLES, check
from synalign.errors import SetupError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.safetensors").touch()
    modules(tmp_path, [{"type": "sentence_transformers.models.Transformer"}])
    return tmp_path


def modules(folder: Path, content: Any) -> None:
    (folder / "modules.json").write_text(json.dumps(content))


@pytest.mark.parametrize("ending", PICKLES)
def test_pickles_count_only_where_no_safe_weights_lie_beside_them(folder: Path, ending: str) -> None:
    (folder / f"weights{ending}").touch()
    check(folder)
    (folder / "2_Dense").mkdir()
    (folder / "2_Dense" / f"weights{ending}").touch()
    with pytest.raises(SetupError, match=r"2_Dense has no \.safetensors weights"):
        check(folder)


@pytest.mark.parametrize("kind", ["own.Module", "sentence_transformers_of_mine.Module", "", "os.system"])
def test_classes_of_others_are_refused(folder: Path, kind: str) -> None:
    modules(folder, [{"type": "sentence_transformers.models.Pooling"}, {"type": kind}])
    with pytest.raises(SetupError, match="must be one of sentence-transformers"):
        check(folder)


@pytest.mark.parametrize("content", [{"type": "x"}, [1], [{}], None], ids=str)
def test_a_list_of_modules_that_is_none_is_refused(folder: Path, content: Any) -> None:
    modules(folder, content)
    with pytest.raises(SetupError, match=r"modules\.json cannot be read"):
        check(folder)


def test_a_folder_without_a_list_of_modules_is_refused(folder: Path) -> None:
    (folder / "modules.json").unlink()
    with pytest.raises(SetupError, match=r"modules\.json cannot be read"):
        check(folder)
