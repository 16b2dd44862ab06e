"""Templates of real queries, filled with a document's content."""

from __future__ import annotations

from synalign.writer.phrases import subjects
from synalign.writer.templates import Filling, fill

CAT = (
    "Russian Blue",
    "The Russian Blue is a cat breed with a double coat. The silver tips give the double coat a shimmer. "
    "Some Russian Blue cats come from the port of Arkhangelsk.",
)


def test_a_template_keeps_the_words_of_form_and_takes_the_documents_content():
    (subject,) = subjects([CAT])
    filling = Filling(subject, (("double", "coat"),), joined=False)

    def filled(demonstration):
        return " ".join(fill(demonstration, filling, frozenset())).lower()

    assert filled("what is the origin of santa claus") == "what is the origin of russian blue double coat"
    assert filled("what is the color of the sky") == "what is the double coat of the russian blue"
    assert filled("when did the empire fall") == "when did the russian blue double coat begin"
    assert filled("where do cats come from") == "where does russian blue double coat come from"
