"""What CONTRIBUTING.md begins with is true: the picture of the layers, the row that it follows, the map of folders."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from synalign.config import Encoder
from synalign.embedding.encoder import encode
from synalign.local import demo_data
from synalign.tables import content_id
from tests import layers
from tests.docs.one_row import CANDIDATE, DOCUMENT, QUERY, short, stages
from tests.docs.pages import ROOT

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_the_picture_is_what_the_code_is() -> None:
    assert layers.PICTURE.read_text(encoding="utf-8") == layers.picture(), "call `make layers` and commit the picture"
    assert f"({layers.PICTURE.relative_to(ROOT)})" in PAGE


def test_the_picture_has_every_room_once_and_says_what_it_is_for() -> None:
    picture = layers.picture()
    rooms = [room for layer in layers.layers() for room in layer]
    assert re.findall(r'class="name"[^>]*>(\w+)<', picture) == rooms
    for what in layers.purposes().values():
        assert 1 <= len(what.split()) <= 5, what


def test_rooms_import_downwards_only() -> None:
    height = {room: number for number, layer in enumerate(layers.layers()) for room in layer}
    arrows = layers.imports()
    assert all(height[room] < height[below] for room, others in arrows.items() for below in others)
    # What the picture leaves out can be reached by what it has.
    kept = layers.nearest(arrows)
    for room, others in arrows.items():
        reached, todo = set[str](), list(kept[room])
        while todo:
            reached.add(each := todo.pop())
            todo += kept[each] - reached
        assert reached >= others


def test_the_map_names_every_room_once_in_the_order_of_the_picture() -> None:
    folder = ROOT / "synalign"
    there = {path.name for path in folder.iterdir() if (path / "__init__.py").exists()}
    there |= {path.stem for path in folder.glob("*.py")} - {"__init__"}
    named = re.findall(r"^\| `synalign/(\w+)(?:/|\.py)` \|", PAGE, re.MULTILINE)
    assert Counter(named) == Counter(there)
    assert named == [room for layer in layers.layers() for room in layer]


def test_the_map_names_files_that_are_there() -> None:
    for room, start in re.findall(r"^\| `synalign/(\w+)/` \| [^|]+ \| ([^|]+) \|", PAGE, re.MULTILINE):
        for file in re.findall(r"`(\w+\.py)`", start):
            assert (ROOT / "synalign" / room / file).exists(), f"{room}: {file}"


def test_the_row_goes_through_ten_functions() -> None:
    assert [stage.number for stage in stages()] == list(range(1, 11))
    assert len({stage.file for stage in stages()}) == 10
    for stage in stages():
        functions = {node.name for node in ast.parse(stage.file.read_text()).body if isinstance(node, ast.FunctionDef)}
        assert stage.function in functions, f"{stage.file}: {stage.function}"


def test_the_row_is_one_of_the_demo(tmp_path: Path) -> None:
    """What needs no refresh is computed anew; `python -m tests.docs.one_row` compares all with one."""
    demo_data.make(tmp_path)
    log = pq.read_table(tmp_path / "query_log.parquet").to_pylist()
    (row,) = [row for row in log if row["query"] == QUERY]
    assert row["document_id"] == DOCUMENT
    assert row["event_time"].startswith("2026-01-04")
    first, second, _, _, fifth, _, _, _, ninth, _ = (stage.row for stage in stages())
    pair = short(content_id(QUERY, DOCUMENT))
    assert short(content_id(QUERY)) in first
    vector = encode([QUERY], Encoder())[0]
    assert f"{len(vector)} numbers" in second
    # In bfloat16 the third digit may be another on a CPU of another kind.
    told = [float(number) for number in re.findall(r"-?0\.\d+", second)]
    np.testing.assert_allclose(vector[: len(told)], told, atol=2e-3)
    assert CANDIDATE in fifth
    assert pair in first
    assert pair in ninth
    assert short(content_id(CANDIDATE, DOCUMENT)) in ninth
