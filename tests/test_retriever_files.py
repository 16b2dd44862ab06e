from pathlib import Path

import pytest

from synalign import retriever_files
from synalign.errors import ConfigurationError

GOOD = """
retriever: shop
schedule: {start: 2026-01-01}
source: {kind: beir, path: somewhere}
"""


def write(folder: Path, text: str, name: str = "shop.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_the_demo_that_ships_is_right() -> None:
    demo = Path(__file__).parent.parent / "dags" / "retrievers" / "demo.yaml"
    assert retriever_files.load(demo).retriever == "demo"


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ("samplng: {}", "samplng == {}, is not a known setting"),
        ("sampling: {batchs: 3}", "sampling.batchs == 3, is not a known setting"),
        ("sampling: {batches: 0}", "sampling.batches == 0, must be a whole number from 1 to 100,000"),
        ("sampling: {batches: many}", "sampling.batches == 'many', must be a whole number from 1 to 100,000"),
        ("sampling: {breadth: 3, neighbours: 7}", "breadth must be >= neighbours"),
        ("ingest: {test_fraction: 0.95}", "validation_fraction + test_fraction must be <= 0.9"),
        ("seed: -1", "seed == -1"),
        ("generation: {endpoint: 'ftp://x'}", "generation.endpoint == 'ftp://x'"),
        ("alignment: {ridge: .nan}", "alignment.ridge == nan"),
    ],
)
def test_a_mistake_names_file_key_value_and_rule(tmp_path: Path, extra: str, expected: str) -> None:
    path = write(tmp_path, GOOD + extra)
    with pytest.raises(ConfigurationError) as error:
        retriever_files.load(path)
    assert str(path) in error.value.message
    assert expected in error.value.message


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as error:
        retriever_files.load(write(tmp_path, GOOD + "seed: x\nnew: 1\nsampling: {noise: 0}"))
    assert error.value.message.count("shop.yaml") == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "is empty, must be a mapping"),
        ("- a\n- b", "must be a mapping"),
        ("retriever: [", "is not valid YAML"),
        (GOOD + "seed: 1\nseed: 2", "'seed' is given twice"),
        ("retriever: !!python/object/apply:os.system [true]", "is not valid YAML"),
        (GOOD.replace("shop", "../etc"), "retriever == '../etc'"),
        ("schedule: {start: 2026-01-01}\nsource: {kind: beir, path: x}", "retriever is missing"),
        (GOOD.replace("beir", "hive"), "source.kind == 'hive', must be `beir`, `labelled`, `log` or `ubi`"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ConfigurationError, match=r"(?s).*" + expected.replace("(", r"\(").replace("[", r"\[")):
        retriever_files.load(write(tmp_path, text))


def test_a_missing_or_binary_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00retriever")
    for name in ("nowhere.yaml", "binary.yaml"):
        with pytest.raises(ConfigurationError, match="cannot be read"):
            retriever_files.load(tmp_path / name)


def test_two_files_with_one_retriever_are_both_left_out_and_named(tmp_path: Path) -> None:
    files = [write(tmp_path, GOOD, "a.yaml"), write(tmp_path, GOOD, "b.yaml")]
    other = write(tmp_path, GOOD.replace("shop", "other"), "c.yaml")
    assert [found.retriever for _, found in retriever_files.valid([*files, other])] == ["other"]
    with pytest.raises(ConfigurationError, match="has the same name"):
        retriever_files.check_all([*files, other])
