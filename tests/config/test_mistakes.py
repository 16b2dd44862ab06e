"""Mistakes of people's files in our own words: every setting with every kind of wrong value, and broken YAML."""

# ruff: noqa: E501
from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic_core._pydantic_core import list_all_errors

from synalign import retriever_files
from synalign.config import described
from synalign.errors import ConfigurationError
from synalign.experiment.plan import ExperimentPlan, load_plan

GOOD = "retriever: shop\nschedule:\n  start: 2026-01-01\nsource:\n  kind: beir\n  path: somewhere\n"
BASE: dict[str, dict[str, Any]] = {
    "log": {"kind": "log", "path": "log", "documents": {"path": "documents"}},
    "ubi": {"kind": "ubi", "path": "events", "queries": {"path": "queries"}, "documents": {"path": "documents"}},
    "beir": {"kind": "beir", "path": "folder"},
    "labelled": {"kind": "labelled", "path": "texts"},
}
WRONG: tuple[Any, ...] = (
    None, True, -1, 0, 1.5, 10**30, 1e30, -1e30, float("inf"), float("nan"), "", " ", "x", "1e6", "5 %", "2026-13-01",
    "\u65e5\u672c\u8a9e\u3000\U0001f600", "x" * 5000, [], [[1]], ["x", None], {}, {"x": {"y": 1}}, {"kind": None},
)  # fmt: skip


def pydantic_phrases() -> re.Pattern[str]:
    """How pydantic begins what it says, of every error it knows; and what only it would say."""
    starts = {" ".join(error["message_template_python"].split()[:2]) for error in list_all_errors()}
    starts = {re.escape(start) for start in starts if "{" not in start and len(start.split()) == 2}
    return re.compile(
        "|".join([*starts, "valid dictionary", "valid tuple", "valid string", "instance of", "errors.pyd"])
    )


PHRASES = pydantic_phrases()


def test_the_phrases_are_pydantics() -> None:
    for text in ("Input should be a valid string", "Field required", "Extra inputs are not permitted",
                 "String should match pattern '^x'", "Input tag 'hive' found using 'kind'", "Keys should be strings",
                 "Unable to extract tag", "Value error, x"):  # fmt: skip
        assert PHRASES.search(text), text


def whole(kind: str) -> dict[str, Any]:
    """A right file with every section in it."""
    return {
        "retriever": "shop",
        "task": "classification" if kind == "labelled" else "retrieval",
        "schedule": {"start": "2026-01-01"},
        "source": json.loads(json.dumps(BASE[kind])),
        "screening": {"judge": {"endpoint": "http://judge", "model": "m"}},
        "experiment": {"exposures": "e", "outcomes": "o"},
        "alerts": {"notifiers": [{"notifier": "a.B", "arguments": {"to": "x"}}]},
    }


def lines(content: dict[str, Any], target: tuple[str, ...], path: tuple[str, ...] = ()) -> Iterator[str]:
    """A file with a line for each key; the line of the target says so. What is below a list is in its line."""
    for key, value in content.items():
        here = (*path, key)
        mark = "  # HERE" if here == target else ""
        # A value that is a mapping itself, as a wrong value may be, stays in its line.
        if isinstance(value, dict) and value and here != target and target[: len(here)] == here:
            yield f"{'  ' * len(path)}{key}:"
            yield from lines(value, target, here)
        else:
            text = ".inf" if value == float("inf") else ".nan" if value != value else json.dumps(value)
            yield f"{'  ' * len(path)}{key}: {text}{mark}"


def put(content: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    place = content
    for key in path[:-1]:
        place = place.setdefault(key, {})
    place[path[-1]] = value
    return content


def keys(settings: tuple[described.Setting, ...]) -> Iterator[tuple[str, ...]]:
    for setting in settings:
        yield tuple(setting.key.split("."))
        yield from keys(setting.parts)


def refused(file: Path, text: str) -> str:
    """What is said of a file; empty where it is right."""
    # A new file: some file systems take 15 ms to empty one.
    file.unlink(missing_ok=True)
    file.write_text(text, encoding="utf-8")
    try:
        retriever_files.load(file)
    except ConfigurationError as error:
        assert error.remedy
        return error.message
    return ""


def check(message: str, file: Path, line: int, key: str) -> None:
    """Every mistake in our words, with its line; one of them is of the key, or of a section that it is in."""
    for said in message.splitlines():
        assert said.startswith(f"{file}: "), said
        assert not PHRASES.search(said), said
        assert re.search(r"\(line \d+\)\.$", said), said
        assert len(said) < 1000
    parts = key.split(".")
    sections = (".".join(parts[:count]) for count in range(1, len(parts)))
    about = (f"{file}: {key}", *(f"{file}: {section} is wrong" for section in sections))
    mine = [said for said in message.splitlines() if said.startswith(about)]
    assert mine, message
    assert any(said.endswith(f"(line {line}).") or " is wrong: " in said for said in mine), message


# Three thousand files.
@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind == "log")) for kind in described.SOURCES]
)
def test_every_wrong_value_of_every_setting_is_told_in_our_words_with_its_line(kind: str, tmp_path: Path) -> None:
    file, seen = tmp_path / "shop.yaml", 0
    # What every kind has is tried with one of them.
    for path in (path for path in keys(described.settings(kind)) if kind == "log" or path[0] == "source"):
        some = 0
        for value in WRONG:
            text = list(lines(put(whole(kind), path, value), path))
            line = next(number for number, line in enumerate(text, 1) if line.endswith("# HERE"))
            message = refused(file, "\n".join(text))
            if message and value not in ({}, {"kind": None}, {"x": {"y": 1}}):
                check(message, file, line, ".".join(path))
            elif message:
                # What is missing or unknown is in the section.
                assert all(not PHRASES.search(said) and "(line " in said for said in message.splitlines())
            some += bool(message)
        assert some >= 4, path
        seen += some
    assert seen > (1000 if kind == "log" else 50)


@pytest.mark.parametrize("kind", described.SOURCES)
def test_every_misspelt_key_names_the_nearest_one_and_every_missing_one_its_section(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    for path in (path for path in keys(described.settings(kind)) if kind == "log" or path[0] == "source"):
        name = path[-1]
        if len(name) < 5:
            continue
        for typo in (name[:2] + name[3:], name.upper().replace("_", "-"), name.replace("_", "") + "s"):
            wrong = (*path[:-1], typo)
            text = list(lines(put(whole(kind), wrong, 1), wrong))
            line = next(number for number, line in enumerate(text, 1) if line.endswith("# HERE"))
            message = refused(file, "\n".join(text))
            expected = f"{file}: {'.'.join(wrong)} == "
            said = next(said for said in message.splitlines() if said.startswith(expected))
            assert f"is not a known setting; did you mean {name}? (line {line})." in said
    for missing in ("retriever", "source.path", "schedule.start", "experiment.outcomes"):
        content = whole(kind)
        *sections, name = missing.split(".")
        place = content[sections[0]] if sections else content
        del place[name]
        message = refused(file, "\n".join(lines(content, ())))
        # Of a path, `table` or `sql` can take the place.
        in_its_place = name == "path" and kind != "beir"
        required = "is empty, must be given, or table" if in_its_place else "is missing, it is required: "
        assert f"{missing} {required}" in message
        assert re.search(r"\(line \d+\)\.$", message)


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ("generation:\n  temprature: 0.5", "generation.temprature == 0.5, is not a known setting; did you mean temperature? (line 8)."),
        ("temperature: 0.5", "temperature == 0.5, is not a known setting; did you mean generation.temperature? (line 7)."),
        ("window_days: 3", "window_days == 3, is not a known setting; did you mean source.window_days? (line 7)."),
        ("generation:\n  mode: onlin", "generation.mode == 'onlin', must be `online` or `batch`; did you mean online? (line 8)."),
        ("sampling: {batches: 1e6}", "sampling.batches == '1e6', must be a whole number from 1 to 100,000; write 1000000 (line 7)."),
        ("sampling: {batches: yes}", "sampling.batches == true, must be a whole number from 1 to 100,000 (line 7)."),
        ("owner: no", "owner == false, must be text; YAML reads a bare yes or no as false: write it in quotes (line 7)."),
        ("owner: 2026-01-01", 'owner == 2026-01-01, must be text; write it in quotes, "2026-01-01" (line 7).'),
        ("owner: 12", 'owner == 12, must be text; write it in quotes, "12" (line 7).'),
        ("generation: {redact: email}", "must be a list of `email`, `phone`, `card`, `ip`, `digits` or `name`; write it as a list, ['email'] (line 7)."),
        ("generation: {redact: [email, mail]}", "generation.redact.1 == 'mail', must be `email`, "),
        ("generation: {prompts: {writ: x}}", "generation.prompts.writ == 'x', is not a known setting; did you mean write? (line 7)."),
        ("generation:", "generation is empty, must be a section with settings such as `mode`, "),
        ("generation: online", "generation == 'online', must be a section with settings such as `mode`, "),
        ("1: x", "1 is no key, must be text: write it in quotes, such as \"1\" (line 7)."),
        ("yes: x", 'True is no key, must be text: write it in quotes, such as "True"'),
        ("generation: {api_key_variable: sk-123456789abc}", "generation.api_key_variable == ***, must be the name of an environment variable"),
        ("alerts: {notifiers: [{notifier: x}]}", "alerts.notifiers.0.notifier == 'x', must be the name of a class with its module"),
        ("alerts: {notifiers: [{notifier: a.B, arguments: {at: 2026-01-01}}]}", "alerts.notifiers.0.arguments.at == 2026-01-01, must be "),
        ("alignment: {ridge: .inf}", "alignment.ridge == inf, must be a number from 0 to 1,000 (line 7)."),
        ("experiment: {exposures: e, outcomes: o, cron: '0 25 * * *'}", "experiment.cron == '0 25 * * *', hour '25' must be `*` or numbers from 0 to 23"),
        ("generation:\n  budget:\n    max_money: 5", "generation.budget is wrong: max_money needs input_price or output_price, or nothing would ever count (line 8)."),
        ("generation: {prompts: {write: nowhere.txt}}", "generation.prompts.write == 'nowhere.txt', cannot be read"),
    ],
)  # fmt: skip
def test_what_was_probably_meant_is_said(extra: str, expected: str, tmp_path: Path) -> None:
    message = refused(tmp_path / "shop.yaml", GOOD + extra)
    assert expected in message
    assert "(line " in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("source: {path: x}", "source.kind is missing, it is required: `beir`, `labelled`, `log` or `ubi` (line 4)."),
        ("source:\n  path: x\n  kind:", "source.kind is empty, must be `beir`, `labelled`, `log` or `ubi` (line 6)."),
        ("source:\n  kind: logs\n  path: x", "source.kind == 'logs', must be `beir`, `labelled`, `log` or `ubi`; did you mean log? (line 5)."),
        ("source: hive", "source == 'hive', must be a section"),
    ],
)  # fmt: skip
def test_a_kind_of_source_that_there_is_not_is_named_with_those_there_are(
    text: str, expected: str, tmp_path: Path
) -> None:
    top = "retriever: shop\nschedule:\n  start: 2026-01-01\n"
    assert expected in refused(tmp_path / "shop.yaml", top + text)


@pytest.mark.parametrize(
    ("content", "problem", "line", "remedy"),
    [
        ("retriever: shop\nschedule:\n\tstart: 2026-01-01\n", r"found character '\\t'", 3, "YAML indents with spaces"),
        ("schedule:\n  cron: */5 * * * *\n", "scanning an alias", 2, 'cron: "\\*/5'),
        ("schedule:\n  cron: * * * * *\n", "scanning an alias", 2, "in quotes"),
        ("schedule:\n  cron: @daily\n", "cannot start any token", 2, "in quotes"),
        ("a: b: c\n", "mapping values are not allowed", 1, "colon in quotes"),
        ("a: 1\nb\nc: 2\n", "could not find expected ':'", 3, "key: value"),
        ("a:\n  b: 1\n   c: 2\n", "mapping values|block end", 3, "align"),
        ("a: 1\na: 2\n", "'a' is given twice", 2, "keep one"),
        ("a: {b: 1, b: 2}\n", "'b' is given twice", 1, "keep one"),
        ("a: 1\n---\nb: 2\n", "single document", 2, "one document"),
        ("a: !thing x\n", "constructor for the tag", 1, "remove the tag"),
        ("a: 1\nb: 2026-02-30\n", "has no value: day", 2, ""),
        ("a: 1\nb: " + "9" * 5000 + "\n", "has no value", 2, ""),
        ("? [a, b]\n: c\n", "a key must be text", 1, ""),
        ("a: 1\nb: \x07\n", "special characters", 2, "control character"),
        ("a: &a [*a]\n", "stands within what it names", 1, ""),
        ("a: 'x\nb: 1\n", "quoted scalar", 3, ""),
        (b"a: 1\nb: caf\xe9\n", "byte 0xe9 is no UTF-8", 2, "save it as UTF-8"),
        ("a: 1".encode("utf-16"), "byte 0xff is no UTF-8", 1, "save it as UTF-8"),
        ("", "is empty, must be a mapping", 0, "init"),
        ("# only a comment\n", "is empty, must be a mapping", 0, "init"),
        ("- a\n- b\n", "must be a mapping of settings, is a list", 0, "key: value"),
        ("just words\n", "must be a mapping of settings, is text", 0, "key: value"),
        ("true\n", "must be a mapping of settings, is true or false", 0, "key: value"),
    ],
)  # fmt: skip
def test_what_is_no_yaml_is_told_with_its_line_and_what_to_write(
    content: str | bytes, problem: str, line: int, remedy: str, tmp_path: Path
) -> None:
    file = tmp_path / "shop.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigurationError, match=problem) as error:
        retriever_files.load(file)
    assert re.search(remedy, error.value.remedy)
    assert not line or f"(line {line})" in error.value.message
    assert "\n" not in error.value.message
    assert "<unicode string>" not in error.value.message


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + GOOD,
        GOOD.replace("\n", "\r\n"),
        GOOD + "schedul2: &s {start: 2026-01-01}\n".replace("schedul2", "alerts").replace("{start: 2026-01-01}", "{}"),
        "---\n" + GOOD + "...\n",
        GOOD.replace("  start: 2026-01-01", "  start: 2026-01-01\n  cron: 0 3 * * *"),
        json.dumps({"retriever": "shop", "schedule": {"start": "2026-01-01"}, "source": BASE["beir"]}),
        GOOD + "generation: &g {temperature: 0}\n",
        GOOD.replace("source:\n", "source:\n  <<: {qrels: [dev.tsv]}\n"),
    ],
)
def test_what_people_write_that_is_right_is_read(text: str, tmp_path: Path) -> None:
    assert refused(tmp_path / "shop.yaml", text) == ""


def test_a_merged_section_has_the_lines_of_what_it_merges(tmp_path: Path) -> None:
    text = GOOD + "generation: &g\n  targets: cold\nscreening:\n  <<: *g\n  copied_words: 1\n"
    message = refused(tmp_path / "shop.yaml", text)
    assert "screening.copied_words == 1, must be a whole number from 2 to 1,000 (line 11)." in message
    assert "screening.targets == 'cold', is not a known setting; did you mean generation.targets? (line " in message


@pytest.mark.parametrize("name", sorted(ExperimentPlan.model_fields))
def test_plans_of_experiments_are_told_in_the_same_words(name: str, tmp_path: Path, plan: Any) -> None:
    content = plan().model_dump(mode="json")
    for value in WRONG:
        file = tmp_path / "plan.yaml"
        file.write_text("\n".join(lines({**content, name: value}, (name,))))
        try:
            load_plan(file)
        except ConfigurationError as error:
            for said in error.message.splitlines():
                assert not PHRASES.search(said), said
                assert re.search(r"\(line \d+\)\.$", said), said


def test_a_file_that_is_not_there_or_a_folder_is_told(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path, tmp_path / "nul\0l"):
        with pytest.raises(ConfigurationError, match="cannot be read: "):
            retriever_files.load(path)
