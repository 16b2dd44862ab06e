"""A run made of a sample holds what the real steps need, and draws what they would draw."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from synalign.config import Configuration
from synalign.generation.demonstration_batches import read_batches
from synalign.preview.sample_run import sample_run, settings_of
from synalign.preview.tables import embedded, latest
from synalign.run import root
from tests.preview.conftest import INTERVAL, ingested

Make = Callable[..., Configuration]


def test_settings_are_the_retrievers_but_for_batches_mode_and_pool(retriever: Make) -> None:
    shop = retriever(mode="batch", temperature=0.3)
    made = settings_of(shop, 3)
    assert (made.sampling.batches, made.sampling.neighbours, made.pool.nights) == (3, 2, 0)
    assert (made.generation.mode, made.generation.temperature) == ("online", 0.3)
    assert shop.sampling.batches == 12


def test_few_batches_are_the_first_of_many(retriever: Make, tmp_path: Path) -> None:
    shop = retriever()
    ingested(shop)
    tables = latest(shop)
    assert tables is not None
    drawn = [
        read_batches(sample_run(settings_of(shop, count), INTERVAL, embedded(tables, shop), tmp_path / str(count)))
        for count in (2, 9)
    ]
    assert drawn[0] == drawn[1][:2] and len(drawn[1]) == 9
    assert not (Path(root()) / "shop" / INTERVAL.name / "sample").exists()
