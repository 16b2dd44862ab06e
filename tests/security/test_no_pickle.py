"""Nothing that is read is a program: no pickle, no YAML that makes objects, no model that brings code."""

from __future__ import annotations

import ast
import json
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest

from synalign.config import Encoder
from synalign.embedding import encoder
from synalign.errors import SynAlignError
from synalign.generation.journal import Journal
from synalign.retriever import whole_model

ROOT = Path(__file__).parents[2]
FOLDERS = ("synalign", "dags", "jobs", "docker")
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
MODULES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal", "jsonpickle"}
LOADERS = {"read_pickle", "unpickle", "pickleFile", "load_model", "full_load", "unsafe_load"}
SAFE_LOADERS = {"SafeLoader", "CSafeLoader", "_UniqueKeys"}


def dangerous(tree: ast.AST) -> list[str]:
    """What in a source could run a program that it reads: one line each."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [f"import {name.name}" for name in node.names if name.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
            found.append(f"from {node.module}")
        elif isinstance(node, ast.Call):
            found += _call(node)
    return found


def _call(node: ast.Call) -> list[str]:
    name = ast.unparse(node.func)
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    last = name.rpartition(".")[2]
    if name in ("eval", "exec", "os.system", "__import__") or last in LOADERS:
        return [name]
    if name == "torch.load" and ast.unparse(given.get("weights_only", ast.Constant(False))) != "True":
        return [name]
    if last == "load" and "allow_pickle" in given and ast.unparse(given["allow_pickle"]) != "False":
        return [f"{name}(allow_pickle)"]
    if name in ("yaml.load", "yaml.load_all") and ast.unparse(given.get("Loader", ast.Constant(0))) not in SAFE_LOADERS:
        return [name]
    if "trust_remote_code" in given and ast.unparse(given["trust_remote_code"]) != "False":
        return [f"{name}(trust_remote_code)"]
    return ["shell=True"] if "shell" in given and ast.unparse(given["shell"]) != "False" else []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_source_loads_what_could_be_a_program(path: Path) -> None:
    assert dangerous(ast.parse(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load",
        "import cloudpickle as c",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.load(text)",
        "yaml.unsafe_load(text)",
        "pd.read_pickle(path)",
        "mlflow.pyfunc.load_model(uri)",
        "eval(text)",
        "SentenceTransformer(path, trust_remote_code=True)",
        "subprocess.run(line, shell=True)",
    ],
)
def test_the_walk_sees_what_it_looks_for(line: str) -> None:
    assert dangerous(ast.parse(line))


class Planted:
    """Unpickled, it leaves a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.trace),)


@pytest.fixture
def planted(tmp_path: Path) -> bytes:
    """A pickle that leaves `tmp_path/ran` when it is loaded; that it works is tried first."""
    other = tmp_path / "tried"
    pickle.loads(pickle.dumps(Planted(other)))
    assert other.is_dir()
    return pickle.dumps(Planted(tmp_path / "ran"))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model folder of one's own."""
    folder = tmp_path / "model"
    shutil.copytree(encoder.model_folder(encoder.EMBEDDED_MODEL), folder)
    return folder


@pytest.mark.parametrize("place", ["pytorch_model.bin", "2_Dense/pytorch_model.bin", "weights.pt"])
@pytest.mark.slow
def test_a_pickle_in_the_place_of_weights_is_refused_and_never_loaded(
    tmp_path: Path, model: Path, planted: bytes, place: str
) -> None:
    if "/" in place:
        _append_dense(model)
    else:
        (model / "model.safetensors").unlink()
    (model / place).write_bytes(planted)
    for load in (encoder.encode, lambda texts, settings: whole_model.load(settings)):
        with pytest.raises(SynAlignError, match="pickles are not loaded"):
            load(["red shoes"], Encoder(model=str(model)))
    assert not (tmp_path / "ran").exists()


@pytest.mark.slow
def test_a_pickle_beside_safe_weights_is_never_opened(tmp_path: Path, model: Path, planted: bytes) -> None:
    for name in ("pytorch_model.bin", "training_args.bin"):
        (model / name).write_bytes(planted)
    assert len(encoder.encode(["red shoes"], Encoder(model=str(model)))) == 1
    assert whole_model.load(Encoder(model=str(model))) is not None
    assert not (tmp_path / "ran").exists()


def test_a_model_that_names_a_class_of_somebody_elses_is_refused(model: Path) -> None:
    modules = json.loads((model / "modules.json").read_bytes())
    modules[0]["type"] = "somebody.elses.Module"
    (model / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(SynAlignError, match=r"somebody\.elses\.Module"):
        encoder.model_folder(str(model))


def test_a_pickle_in_the_journal_is_damage(tmp_path: Path, planted: bytes) -> None:
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "responses.jsonl").write_bytes(planted.replace(b"\n", b" ") + b"\n")
    with pytest.raises(SynAlignError, match="damaged"):
        Journal(tmp_path / "journal")
    assert not (tmp_path / "ran").exists()


def test_a_pickle_as_a_template_is_refused(tmp_path: Path, planted: bytes) -> None:
    from synalign import retriever_files

    (tmp_path / "write.txt").write_bytes(planted)
    yaml = tmp_path / "shop.yaml"
    yaml.write_text(
        "retriever: shop\nschedule: {start: 2026-01-01}\nsource: {kind: beir, path: x}\n"
        "generation: {prompts: {write: write.txt}}\n"
    )
    with pytest.raises(SynAlignError, match=r"generation\.prompts\.write"):
        retriever_files.load(yaml)
    assert not (tmp_path / "ran").exists()


def _append_dense(model: Path) -> None:
    modules = json.loads((model / "modules.json").read_bytes())
    modules.append(
        {"idx": 9, "name": "9", "path": "2_Dense", "type": "sentence_transformers.sentence_transformer.modules.Dense"}
    )
    (model / "modules.json").write_text(json.dumps(modules))
    (model / "2_Dense").mkdir()
    (model / "2_Dense" / "config.json").write_text(
        json.dumps({"in_features": 384, "out_features": 8, "bias": True, "activation_function": "torch.nn.Identity"})
    )
