"""What only a file system has: links, and folders that others change meanwhile."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from synalign.storage import Place


def test_links_are_not_listed_and_not_followed_when_removing(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("kept")
    place = Place(tmp_path) / "inside"
    place.make()
    (Path(place) / "folder").symlink_to(outside)
    (Path(place) / "file").symlink_to(outside / "file")
    assert place.files() == place.folders() == []
    place.remove()
    assert not place.exists() and (outside / "file").read_text() == "kept"


def test_a_folder_goes_whole_although_somebody_else_removes_one_of_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that ends removes its draft at the moment in which its folder is removed."""
    folder, real, gone = Place(tmp_path / "attempt"), os.unlink, list[str]()
    for number in range(9):
        (folder / "table" / f"part-{number}").write_bytes(b"rows")

    def unlink(name: str, *, dir_fd: int | None = None) -> None:
        real(name, dir_fd=dir_fd)
        if not gone:
            gone.append(name)
            raise FileNotFoundError(name)

    monkeypatch.setattr(os, "unlink", unlink)
    folder.remove()
    assert gone and not folder.exists()


def test_a_folder_that_may_not_be_removed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(name: str, *, dir_fd: int | None = None) -> None:
        raise PermissionError(name)

    (Place(tmp_path) / "attempt" / "part").write_bytes(b"rows")
    monkeypatch.setattr(os, "unlink", refused)
    with pytest.raises(PermissionError):
        (Place(tmp_path) / "attempt").remove()
