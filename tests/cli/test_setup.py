"""`synalign init`, `check`, `doctor` and `demo-data` from the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from synalign.cli import application
from synalign.config.draft import SOURCES, draft
from synalign.doctor import Case, examination
from synalign.doctor.examination import Check
from synalign.errors import ConfigurationError, SetupError, SynAlignError

DEMO = Path(__file__).parent.parent.parent / "dags" / "retrievers" / "demo.yaml"


def run(*arguments: object) -> Result:
    """What a command did; an error of ours is raised, as it reaches `main`."""
    done = CliRunner().invoke(application, [str(argument) for argument in arguments])
    if isinstance(done.exception, SynAlignError):
        raise done.exception
    return done


@pytest.mark.parametrize("kind", SOURCES)
def test_init_writes_a_file_and_says_what_to_fill_in(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "retrievers" / "web-shop.yaml"
    done = run("init", file, "--source", kind)
    assert done.exit_code == 0
    assert file.read_text() == draft(kind, "web-shop")
    assert done.output.splitlines()[1] == "  schedule.start"
    assert "source.path" in done.output
    assert f"Then: synalign check {file}, and synalign check --data {file}\n" in done.output
    assert f"Before the first refresh: synalign preview {file}, " in done.output
    assert done.output.endswith("# yaml-language-server: $schema=retriever.schema.json\n")


def test_a_name_that_no_retriever_can_have_is_left_to_be_filled_in(tmp_path: Path) -> None:
    done = run("init", tmp_path / "My Shop.yaml")
    assert done.output.splitlines()[1] == "  retriever"
    assert "\nretriever: # to fill in" in (tmp_path / "My Shop.yaml").read_text()


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text("mine")
    with pytest.raises(ConfigurationError, match="is there already"):
        run("init", file)
    assert file.read_text() == "mine"


def test_init_writes_only_what_airflow_would_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"must end in \.yaml"):
        run("init", tmp_path / "shop.yml")
    assert list(tmp_path.iterdir()) == []


def test_init_where_no_file_can_be_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be written"):
        run("init", tmp_path / "file" / "shop.yaml")


def test_init_knows_no_other_source(tmp_path: Path) -> None:
    done = run("init", tmp_path / "shop.yaml", "--source", "csv")
    assert done.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_check_says_what_is_right() -> None:
    assert run("check", DEMO).output == f"{DEMO}: right; DAG refresh__demo\n"
    found = json.loads(run("check", DEMO, "--json").output)
    assert found == {"file": str(DEMO), "right": True, "mistakes": [], "dag": "refresh__demo"}


def test_check_tells_a_program_each_mistake(tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text(draft("beir", "shop"))
    with pytest.raises(ConfigurationError, match=r"schedule\.start is empty"):
        run("check", file)
    done = run("check", file, "--json")
    assert done.exit_code == ConfigurationError.exit_code == 2
    found = json.loads(done.output)
    assert found["right"] is False
    assert [mistake.split(": ")[1].split()[0] for mistake in found["mistakes"]] == ["schedule.start", "source.path"]
    assert found["remedy"]


def test_check_meets_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        run("check", tmp_path / "none.yaml")


def bad(case: Case) -> str:
    raise SetupError(f"{case.configuration.retriever} lacks something.", remedy="install it")


@pytest.mark.parametrize(("look", "code"), [(lambda case: "there", 0), (bad, 8)])
def test_doctor_ends_with_8_if_a_check_failed(look: object, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = (Check("one", lambda case: "there"), Check("two", look))  # type: ignore[arg-type]
    monkeypatch.setattr(examination, "CHECKS", checks)
    monkeypatch.setattr(examination.examine, "__defaults__", (checks,))
    done = run("doctor")
    assert done.exit_code == code
    assert ("what to do: install it" in done.output) is (code == 8)
    as_json = run("doctor", "--json")
    assert as_json.exit_code == code
    found = json.loads(as_json.output)
    assert found["retriever"] == "demo"
    assert found["ready"] is (code == 0)
    assert [each["state"] for each in found["checks"]] == ["pass", "pass" if code == 0 else "fail"]


def test_doctor_refuses_a_wrong_file_before_it_looks_at_anything(tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text(draft("log"))
    with pytest.raises(ConfigurationError, match=r"source\.path is empty"):
        run("doctor", file)


def errors_of(content: object) -> list[str]:
    """What an editor with the printed schema marks in a file."""
    schema = json.loads(run("schema").output)
    jsonschema.Draft202012Validator.check_schema(schema)
    plain = json.loads(json.dumps(content, default=str))
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(plain)]


@pytest.mark.parametrize("kind", SOURCES)
def test_the_schema_for_editors_takes_what_check_takes(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    text = draft(kind, "shop")
    assert errors_of(yaml.safe_load(text))
    for key in ("start", "path"):
        text = re.sub(rf"(?m)^( +){key}: # to fill in.*", rf"\1{key}: '2026-01-01'", text)
    file.write_text(text)
    assert errors_of(yaml.safe_load(text)) == []
    assert run("check", file).exit_code == 0
    # With every comment that is a setting made one.
    whole = re.sub(r"(?m)^( *)# (?!#)", r"\1", text)
    assert errors_of(yaml.safe_load(whole)) == []
    assert errors_of(yaml.safe_load(DEMO.read_text())) == []


@pytest.mark.parametrize(
    "change",
    [
        {"generation": {"temprature": 0.5}},
        {"sampling": {"batches": 0}},
        {"sampling": {"batches": "many"}},
        {"source": {"kind": "hive", "path": "x"}},
        {"source": {"path": "x"}},
        {"retriever": "A B"},
        {"retriever": None},
        {"generation": {"redact": ["mail"]}},
    ],
)
def test_the_schema_for_editors_refuses_what_check_refuses(change: dict[str, object], tmp_path: Path) -> None:
    content = {**yaml.safe_load(DEMO.read_text()), **change}
    assert errors_of(content)
    file = tmp_path / "shop.yaml"
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigurationError):
        run("check", file)


def test_demo_data_is_the_same_for_the_same_seed(home: Path) -> None:
    first = [Path(line).read_bytes() for line in run("demo-data", "--events", 500).output.splitlines()]
    second = [Path(line).read_bytes() for line in run("demo-data", "--events", 500).output.splitlines()]
    assert first == second
    assert len(first) == 2
    assert first != [Path(line).read_bytes() for line in run("demo-data", "--seed", 1).output.splitlines()]
