"""Google's and Azure's storage, by doubles of the requests that are sent: one writer wins, nothing is half there."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synalign.doctor import Case, storage
from synalign.errors import BusyError, ConfigurationError, SetupError
from synalign.generation.journal import Entry, Journal
from synalign.registry import lookup
from synalign.run import Run
from synalign.run.manifests import read_table
from synalign.steps.job import perform
from synalign.storage import Place, StaleError, lease
from synalign.storage.append_log import AppendLog
from synalign.storage.lock import held
from tests import clouds
from tests.run.made_steps import DOCUMENTS, INTERVAL, ingest
from tests.storage.conftest import CLOUDS, away


@pytest.fixture(params=CLOUDS[1:])
def cloud(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(request.param)
    return found


def test_what_was_written_is_there_at_once_and_listed(cloud: Place) -> None:
    file = cloud / "a" / "file"
    assert not cloud.exists() and not file.is_file() and file.tag() is None
    with pytest.raises(FileNotFoundError):
        file.read_bytes()
    file.write_bytes(b"content")
    (cloud / ".hidden").write_bytes(b"")
    assert (file.read_bytes(), file.size(), cloud.exists(), file.parent.exists()) == (b"content", 7, True, True)
    assert cloud.folders() == [cloud / "a"] and cloud.files() == [] and cloud.files(".*") == [cloud / ".hidden"]
    assert dict(cloud.tree()) == {file: 7, cloud / ".hidden": 0}
    file.unlink()
    file.unlink()
    cloud.remove()
    assert not cloud.exists()


def test_listings_of_several_pages_are_whole(cloud: Place) -> None:
    threads = [threading.Thread(target=(cloud / f"{number:04d}").write_bytes, args=(b"x",)) for number in range(230)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [place.name for place in cloud.files()] == [f"{number:04d}" for number in range(230)]
    cloud.remove()
    assert not list(cloud.tree())


def test_of_several_writers_one_wins(cloud: Place) -> None:
    file, won = cloud / "file", []

    def create(mine: bytes) -> None:
        try:
            file.create(mine)
            won.append(mine)
        except FileExistsError:
            pass

    threads = [threading.Thread(target=create, args=(f"writer {number}".encode(),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [file.read_bytes()]
    tag = file.tag()
    assert tag is not None
    second = file.replace(b"second", tag)
    assert file.tag() == second != tag
    with pytest.raises(StaleError):
        file.replace(b"slower", tag)
    file.unlink()
    with pytest.raises(StaleError):
        file.replace(b"of what is gone", second)
    for nonsense in ("", "no tag of ours"):
        with pytest.raises(StaleError):
            file.replace(b"x", nonsense)
    assert not file.is_file()


def test_a_creation_whose_answer_was_lost_is_seen_as_won(cloud: Place) -> None:
    file = cloud / "file"
    tag = file.create(b"mine")
    assert file.create(b"mine") == tag
    with pytest.raises(FileExistsError):
        file.create(b"another's")


def test_large_files_go_in_parts_and_are_read_in_parts(cloud: Place) -> None:
    content = bytes(range(256)) * (40 * 2**12)
    with (cloud / "large").open_output() as file:
        file.write(content)
    assert (cloud / "large").size() == len(content)
    with (cloud / "large").open_input() as stream:
        assert stream.read(10) == content[:10]
        stream.seek(-300, 2)
        assert stream.read() == content[-300:]
        stream.seek(20 * 2**20)
        assert stream.read(1000) == content[20 * 2**20 : 20 * 2**20 + 1000]
    with pytest.raises(RuntimeError), (cloud / "torn").open_output() as file:
        file.write(content)
        raise RuntimeError
    assert not (cloud / "torn").is_file()


def test_arrow_reads_tables_there(cloud: Place) -> None:
    table = pa.table({"query": [f"query {number}" for number in range(1000)], "weight": [1.0] * 1000})
    for name in ("part-0.parquet", "part-1.parquet"):
        with (cloud / name).open_output() as file:
            pq.write_table(table, file)
    assert read_table(cloud.files("*.parquet"), ["query"]).num_rows == 2000
    system, path = (cloud / "part-0.parquet").filesystem()
    assert pq.read_table(path, filesystem=system).equals(table)


def test_a_log_of_several_writers_loses_no_line(cloud: Place) -> None:
    logs = [AppendLog(cloud / "log", lambda line: None, remedy="none", shared="lines") for _ in range(3)]
    for number, log in enumerate(logs):
        for line in range(5):
            log.append({"writer": number, "line": line})
        log.close()
    seen: list[tuple[int, int]] = []

    def note(line: dict[str, int]) -> None:
        seen.append((line["writer"], line["line"]))

    AppendLog(cloud / "log", note, remedy="none", shared="lines").close()
    assert sorted(seen) == [(writer, line) for writer in range(3) for line in range(5)]


def test_a_refusal_names_the_place_and_no_secret(cloud: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = "bm8ta2V5LW9mLW91cnMtMDEyMzQ1Njc4OTAxMjM0NTY3ODk="
    if str(cloud).startswith("gs://"):
        monkeypatch.setenv("GOOGLE_BEARER_TOKEN", wrong)
    else:
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "other")
        cloud = Place(str(cloud).replace("@shop.", "@other."))
    with pytest.raises(PermissionError, match=str(cloud)) as caught:
        (cloud / "file").write_bytes(b"x")
    assert wrong not in str(caught.value) and clouds.KEY not in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("address", ["gs://nobody-made-this/x", "az://nobody-made-this/x"])
@pytest.mark.usefixtures("google", "azure")
def test_a_bucket_that_is_not_there_is_no_missing_file(address: str) -> None:
    with pytest.raises(OSError, match="nobody-made-this") as caught:
        (Place(address) / "y").write_bytes(b"x")
    assert not isinstance(caught.value, FileNotFoundError)


@pytest.mark.parametrize(
    "address",
    ["gs:///x", "gs://Bucket/x", "gs://bucket//x", "gs://bucket/../x", "gs://key@bucket/x", "gs://b/x?y=1",
     "az://container@account/x", "az://Container/x", "abfss://container/x", "abfss://c@account/x",
     "abfss://key:secret@account.dfs.core.windows.net/x", "wasbs://c@a.blob.core.windows.net/x", "gcs://bucket/x"],
)  # fmt: skip
def test_an_address_that_is_none_is_refused_and_not_shown(address: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Place(address)
    assert address not in str(caught.value)


def test_addresses_keep_their_parts() -> None:
    for root in ("gs://bucket", "az://container", "abfss://container@account.dfs.core.windows.net"):
        place = Place(f"{root}/runs/") / "shop"
        assert (str(place), place.uri, place.name, place.local) == (
            f"{root}/runs/shop",
            f"{root}/runs/shop",
            "shop",
            None,
        )
        assert str(place.parent.parent) == str(place.parent.parent.parent) == root


def test_a_step_lies_there_is_reused_and_has_one_writer(
    cloud: Place, configuration: Callable[..., Any], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNALIGN_STORE", str(cloud))
    for name, seconds in {"RENEWED_AFTER": 0.2, "LOST_AFTER": 5.0, "LOOKED_AFTER": 0.1}.items():
        monkeypatch.setattr(lease, name, seconds)
    run = Run(configuration(), INTERVAL)
    with held(run.folder / ".lock"), pytest.raises(BusyError):
        perform(run, "ingest", ingest)
    assert perform(run, "ingest", ingest)["reused"] is False
    assert perform(run, "ingest", ingest)["reused"] is True
    assert run.read("documents").equals(DOCUMENTS.cast(run.read("documents").schema))
    assert lookup.find("shop").folder == lookup.find(str(run.folder)).folder == run.folder
    assert not (home / "runs").exists()


def test_a_journal_there_keeps_answers_between_processes(cloud: Place) -> None:
    entry = Entry("ab" * 32, "{}", "model", 10, 2, 0.5)
    with Journal(str(cloud / "shop")) as first:
        asyncio.run(first.add(entry))
    with Journal(str(cloud / "shop")) as second:
        assert second.get(entry.key) == entry


def test_doctor_tries_what_a_step_does_there(
    cloud: Place, configuration: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNALIGN_STORE", str(cloud))
    case = Case(configuration(runtime={"journal": str(cloud / "journal")}))
    assert storage.home(case) == f"{cloud / 'runs'} takes objects, and lets one of two writers win"
    assert storage.journal(case) == f"{cloud / 'journal'} takes objects"
    assert not cloud.exists()
    away(monkeypatch)
    with pytest.raises(SetupError, match="cannot be written to") as caught:
        storage.home(case)
    assert ("Storage Blob Data Contributor" in caught.value.remedy) != ("storage.objects.create" in caught.value.remedy)
