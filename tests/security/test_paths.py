"""No name from a file, a model or a manifest leads out of the folder it belongs in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synalign.config import Configuration
from synalign.errors import InputError, SynAlignError
from synalign.registry.lookup import find
from synalign.run import Interval, Run, manifests
from synalign.steps.ingest import ingest, source_files
from synalign.steps.job import perform
from synalign.storage import Place
from tests.upkeep.conftest import make_run

HOSTILE = ("..", ".", "", "../x", "a/../../x", "/etc/passwd", "a//b", "x/", "a\0b", "./x")
INTERVAL = Interval.parse("2026-02-28", "2026-03-01")


@pytest.mark.parametrize("base", ["/srv/synalign", "s3://bucket/team"])
@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_leads_out_of_a_place(base: str, name: str) -> None:
    with pytest.raises(SynAlignError):
        Place(base) / name


@pytest.mark.parametrize("base", ["/srv/synalign", "s3://bucket/team"])
@pytest.mark.parametrize(
    "name", ["s3://other", "~root", "%2e%2e", "\u2024\u2024", "..%2f..", "a b", "ünïcode", "$HOME", "*"]
)
def test_what_looks_like_a_way_out_is_only_a_name(base: str, name: str) -> None:
    if "//" in name:
        with pytest.raises(SynAlignError):
            Place(base) / name
        return
    place = Place(base) / name
    assert str(place) == f"{base}/{name}"
    assert place.parent == Place(base)


@pytest.mark.parametrize(
    "address",
    [
        "s3://bucket/../other",
        "s3://bucket/a?acl",
        "s3://key:secret@bucket/x",
        "s3:///x",
        "http://h/x",
        "s3://b ucket/x",
    ],
)
def test_an_address_that_is_more_than_a_place_is_refused_and_not_shown(address: str) -> None:
    with pytest.raises(SynAlignError) as error:
        Place(address)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("attempt", ["../../../elsewhere", "/etc", "..", "", "20260101T000000Z-0123456g", "x/y"])
def test_a_manifest_cannot_send_its_reader_elsewhere(
    home: Path, configuration: Callable[..., Configuration], attempt: str
) -> None:
    run = make_run(configuration())
    path = Path(run.folder / "ingest" / manifests.NAME)
    path.write_text(json.dumps({**json.loads(path.read_text()), "attempt": attempt}))
    with pytest.raises(SynAlignError):
        run.table_folder("queries")


@pytest.mark.parametrize("name", ["../../elsewhere.parquet", "/etc/passwd", ".."])
def test_nor_can_the_names_of_files_in_it(home: Path, configuration: Callable[..., Configuration], name: str) -> None:
    run = make_run(configuration())
    path = Path(run.folder / "ingest" / manifests.NAME)
    manifest = json.loads(path.read_text())
    manifest["tables"]["queries"]["files"] = {name: {"sha256": "0" * 64, "bytes": 1}}
    path.write_text(json.dumps(manifest))
    with pytest.raises(SynAlignError):
        run.files("queries")


@pytest.mark.slow
@pytest.mark.parametrize("reference", ["../..", "/etc", "shop/../../etc", "s3://other/x", "shop/\0", "~", "shop@../1"])
def test_a_reference_is_a_run_or_nothing(
    home: Path, configuration: Callable[..., Configuration], reference: str
) -> None:
    make_run(configuration())
    with pytest.raises(SynAlignError):
        find(reference)


def test_a_link_planted_below_a_place_is_removed_and_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("stays")
    (tmp_path / "run" / "step").mkdir(parents=True)
    (tmp_path / "run" / "step" / "link").symlink_to(outside)
    (tmp_path / "run" / "step" / "file").symlink_to(outside / "precious")
    (Place(tmp_path) / "run" / "step" / "file").write_text("new")
    (Place(tmp_path) / "run").remove()
    assert (outside / "precious").read_text() == "stays"
    assert not (tmp_path / "run").exists()


NAMES = ("a{b,c}.jsonl", "[x].jsonl", "star*.jsonl", "q?.jsonl", "two words.jsonl", "100%.jsonl", "%2e%2e.jsonl",
         "quote's.jsonl", 'double".jsonl', "back\\slash.jsonl", "日本.jsonl", "comma,.jsonl", "#.jsonl",
         "new\nline.jsonl", "$(id).jsonl", "; rm -rf x.jsonl", "-rf.jsonl")  # fmt: skip


@pytest.mark.usefixtures("spark")
def test_hostile_names_in_an_input_folder_are_files_like_others(
    home: Path, configuration: Callable[..., Configuration]
) -> None:
    (home / "log").mkdir(parents=True)
    for number, name in enumerate(NAMES):
        event = {"event_time": "2026-02-20T10:00:00", "query": f"query {number}", "document_id": "d1"}
        (home / "log" / name).write_text(json.dumps(event))
    (home / "d.jsonl").write_text(json.dumps({"document_id": "d1", "title": "One", "text": "first"}))
    run = Run(configuration(), INTERVAL)
    perform(run, "ingest", ingest, source_files(run))
    assert sorted(run.read("queries")["query"].to_pylist()) == sorted(f"query {number}" for number in range(len(NAMES)))


@pytest.mark.usefixtures("spark")
def test_a_name_with_a_colon_is_read_as_text_and_told_of_where_spark_cannot_open_it(
    home: Path, configuration: Callable[..., Configuration]
) -> None:
    (home / "log").mkdir(parents=True)
    event = {"event_time": "2026-02-20T10:00:00", "query": "kettle", "document_id": "d1"}
    (home / "log" / "a:b.jsonl").write_text(json.dumps(event))
    (home / "d.jsonl").write_text(json.dumps({"document_id": "d1", "title": "One", "text": "first"}))
    run = Run(configuration(), INTERVAL)
    perform(run, "ingest", ingest, source_files(run))
    assert run.read("queries")["query"].to_pylist() == ["kettle"]
    (home / "log" / "a:b.jsonl").unlink()
    pq.write_table(pa.Table.from_pylist([event]), home / "log" / "a:b.parquet")
    source = {**configuration().source.model_dump(), "format": "parquet"}
    run = Run(Configuration.model_validate({**configuration().model_dump(), "source": source}), INTERVAL)
    with pytest.raises(InputError, match="colon in its name"):
        perform(run, "ingest", ingest, source_files(run))
