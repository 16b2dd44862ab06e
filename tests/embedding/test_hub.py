"""A model fetched from the hub, which is a double here: no test asks another machine."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from synalign.config import Encoder
from synalign.embedding import encoder, hub
from synalign.errors import SetupError
from tests.embedding.hub_double import COMMIT, MODEL, Hub, serving

SETTINGS = Encoder(model=MODEL, download=True, revision=COMMIT)


@pytest.fixture
def repository(make_model: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A double of the hub with a model, a pickle, code and weights for another runtime beside it."""
    folder = tmp_path / "repository"
    shutil.copytree(make_model("mean"), folder)
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    (folder / "modeling.py").write_text("raise SystemExit")
    (folder / "onnx").mkdir()
    (folder / "onnx" / "config.json").write_text("{}")
    monkeypatch.setenv("SYNALIGN_HOME", str(tmp_path / "home"))
    # As it is wherever a model was loaded before.
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with serving(folder) as found:
        monkeypatch.setenv("HF_ENDPOINT", found.url)
        yield found


@pytest.mark.slow
def test_a_model_is_fetched_once_at_its_commit_without_pickles_or_code(
    repository: Hub, make_model: Callable[[str], str]
) -> None:
    folder = encoder.folder(SETTINGS)
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert "modules.json" in files
    assert not {name for name in files if name.endswith((".bin", ".py")) or name.startswith("onnx")}
    assert folder.name == COMMIT
    checked = json.loads((folder.parents[1] / f"{COMMIT}.checked").read_text())
    assert set(checked) == files
    before = len(repository.asked)
    assert encoder.folder(SETTINGS) == folder
    assert len(repository.asked) == before
    texts = ["how to sort a list", "a"]
    # Its vectors are those of the folder, and so is what pins it.
    own = Encoder(model=make_model("mean"))
    np.testing.assert_array_equal(encoder.encode(texts, SETTINGS), encoder.encode(texts, own))
    assert encoder.revision_of(SETTINGS) == encoder.revision_of(own)


@pytest.mark.slow
def test_damaged_weights_are_removed_and_fetched_again(repository: Hub) -> None:
    repository.damaged = {str(path.relative_to(repository.folder)) for path in repository.folder.rglob("*.safetensors")}
    with pytest.raises(SetupError, match=r"(?s)safetensors of some-team/some-encoder has the digest.*run it again"):
        hub.snapshot(MODEL, COMMIT)
    repository.damaged = set()
    assert (hub.snapshot(MODEL, COMMIT) / "modules.json").is_file()


@pytest.mark.slow
def test_another_commit_no_model_and_no_hub_are_told_with_what_to_do(
    repository: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit = "f" * 40
    with pytest.raises(SetupError, match=r"(?s)the hub gives commit 'f{40}'.*keep commits"):
        hub.snapshot(MODEL, COMMIT)
    with pytest.raises(SetupError, match=r"(?s)'nobody/nothing', cannot be fetched.*RepositoryNotFound.*HF_TOKEN"):
        hub.snapshot("nobody/nothing", COMMIT)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(SetupError, match="cannot be fetched"):
        hub.snapshot(MODEL, COMMIT)


@pytest.mark.slow
def test_weights_as_pickles_alone_are_refused(repository: Hub) -> None:
    for path in repository.folder.rglob("*.safetensors"):
        path.unlink()
    with pytest.raises(SetupError, match=r"(?s)with .safetensors weights.*pickles alone.*save_pretrained"):
        hub.snapshot(MODEL, COMMIT)


@pytest.mark.slow
def test_modules_with_code_of_their_own_are_refused(repository: Hub) -> None:
    (repository.folder / "modules.json").write_text('[{"idx": 0, "name": "0", "path": "", "type": "modeling.Mine"}]')
    with pytest.raises(SetupError, match=r"modeling\.Mine"):
        encoder.folder(SETTINGS)


def test_without_download_a_name_of_the_hub_is_refused_with_how_to_opt_in() -> None:
    with pytest.raises(SetupError, match=r"(?s)nothing is downloaded, unless encoder.download.*encoder.revision"):
        encoder.folder(Encoder(model=MODEL))
