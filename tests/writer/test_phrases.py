"""Subjects of documents: their topic and their salient phrases."""

from __future__ import annotations

import pytest

from synalign.writer.phrases import subjects


@pytest.mark.parametrize(
    ("title", "text", "topic"),
    [
        ("Russian Blue (cat)", "A breed.", ("Russian", "Blue")),
        ("A very long title of a page | Site", "x", ("A", "very", "long", "title")),
        ("", "The Souris River is a river in North America.", ("Souris", "River")),
        ("", "def isNumeric(text):\n    return text.isdigit()", ("check", "numeric")),
        ("", "kettle descaling", ("kettle", "descaling")),
    ],
)
def test_a_topic_is_the_title_the_first_subject_or_the_name_of_a_function(
    title: str, text: str, topic: tuple[str, ...]
) -> None:
    (subject,) = subjects([(title, text)])
    assert subject.topic == topic


def test_phrases_are_runs_of_content_words_without_the_topic() -> None:
    (subject,) = subjects([("Kettle", "The kettle has a limescale filter, and the limescale filter has a steel mesh.")])
    assert subject.phrases[0] == ("limescale", "filter")
    assert ("steel", "mesh") in subject.phrases and ("kettle",) not in subject.phrases
    assert subject.takes_the and not subject.is_code


def test_words_that_all_documents_share_count_least() -> None:
    texts = ("The garden tools and the copper spade", "The garden tools and the rubber boots")
    first, second = subjects([("Shop", text) for text in texts])
    assert first.phrases == (("copper", "spade"), ("garden", "tools"))
    assert second.phrases == (("rubber", "boots"), ("garden", "tools"))
