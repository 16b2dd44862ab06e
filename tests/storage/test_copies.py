"""A folder of a place on this machine: itself, or a copy of its own files that goes again."""

from __future__ import annotations

from synalign.storage import Place
from synalign.storage.copies import fetched


def test_its_own_files_are_there_and_a_copy_goes(place: Place) -> None:
    (place / "a").write_bytes(b"one")
    (place / "b").write_bytes(b"x" * 3_000_000)
    (place / "below/c").write_bytes(b"not its own")
    with fetched(place) as folder:
        assert (folder / "a").read_bytes() == b"one" and (folder / "b").stat().st_size == 3_000_000
        if place.local is None:
            assert sorted(path.name for path in folder.iterdir()) == ["a", "b"]
    assert folder.exists() is (place.local is not None)
