"""What serves is fetched from a folder or from MLflow, and refused where loading it would run anything."""

from collections.abc import Callable
from pathlib import Path

import pytest

from synalign.errors import RegistryError, SetupError
from synalign.registry.served_model import fetch


def test_a_folder_is_taken_where_it_is(make_model: Callable[[str], str], uri: str, tmp_path: Path) -> None:
    assert fetch(make_model("static"), tmp_path / "into", uri) == Path(make_model("static"))


def test_a_folder_that_names_code_of_its_own_is_refused(uri: str, tmp_path: Path) -> None:
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    (hostile / "modules.json").write_text('[{"idx": 0, "name": "0", "path": "", "type": "evil.Module"}]')
    with pytest.raises(SetupError, match=r"names the class 'evil\.Module'"):
        fetch(str(hostile), tmp_path / "into", uri)


def test_a_folder_without_a_model_is_told(uri: str, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="no sentence-transformers model is there"):
        fetch(str(tmp_path), tmp_path / "into", uri)
