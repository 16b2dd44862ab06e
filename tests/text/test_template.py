"""Templates of documents: what is left where fields are missing, and what is no template."""

from itertools import product

import pytest

from synalign.text.template import names, parse, render

VALUES = {"title": "Kettle", "brand": "Acme", "category": "Kitchen", "price": "9.50"}


@pytest.mark.parametrize(
    ("template", "missing", "text"),
    [
        ("{title}. {brand}, {category}", (), "Kettle. Acme, Kitchen"),
        ("{title}. {brand}, {category}", ("title",), "Acme, Kitchen"),
        ("{title}. {brand}, {category}", ("brand", "category"), "Kettle"),
        ("{title}. {brand}, {category}.", ("title", "brand"), "Kitchen."),
        ("{title} ({brand}, {category})", ("brand",), "Kettle (Kitchen)"),
        ("{title} ({brand}, {category})", ("category",), "Kettle (Acme)"),
        ("{title} ({brand}, {category})", ("brand", "category"), "Kettle"),
        ("{title} ({brand}): {price}", ("brand",), "Kettle: 9.50"),
        ("{title} by {brand} - {price} EUR, {category}", ("price",), "Kettle by Acme, Kitchen"),
        ("{title} by {brand} - {price} EUR, {category}", ("brand", "category"), "Kettle - 9.50 EUR"),
        ("{title}. Brand: {brand}. Price: {price} EUR", ("brand",), "Kettle. Price: 9.50 EUR"),
        ("{title}. Brand: {brand}. Price: {price} EUR", ("price",), "Kettle. Brand: Acme"),
        ("{title} [of {brand} ({category})]", ("category",), "Kettle [of Acme]"),
        ("{{{title}}}", (), "{Kettle}"),
    ],
)
def test_what_a_missing_field_owns_goes_with_it(template: str, missing: tuple[str, ...], text: str) -> None:
    assert render(parse(template), {name: value for name, value in VALUES.items() if name not in missing}) == text


def test_an_entry_of_a_list_has_a_line_and_none_where_nothing_is_in_it() -> None:
    parts = parse(["title", "{brand}, {category}", "Price: {price}"])
    assert render(parts, VALUES) == "Kettle\nAcme, Kitchen\nPrice: 9.50"
    assert render(parts, {**VALUES, "brand": None}) == "Kettle\nKitchen\nPrice: 9.50"
    assert render(parts, {"price": "9.50"}) == "Price: 9.50"
    assert names(parts) == ("title", "brand", "category", "price")


@pytest.mark.parametrize("template", ["{title}. {brand}, {category}", "{title} ({brand}; {category}) - {price}"])
def test_whatever_is_missing_no_separator_stands_alone(template: str) -> None:
    parts = parse(template)
    for there in product([True, False], repeat=len(VALUES)):
        values = {name: "x" if is_there else "" for name, is_there in zip(VALUES, there, strict=True)}
        text = render(parts, values)
        assert text.count("x") == sum(values[name] == "x" for name in names(parts))
        # Between two values stands a separator, and nothing but brackets at the ends.
        assert text.strip("()") == text.strip("(). ,;-") and "()" not in text and "( " not in text


def test_punctuation_of_values_stays() -> None:
    assert (
        render(parse("{title}. {brand}"), {"title": "Kettle, (1.7 l).", "brand": "- A -"}) == "Kettle, (1.7 l).. - A -"
    )


@pytest.mark.parametrize(
    "template", ["", "plain text", "{title", "title}", "{}", "{ }", "{title!r}", "{price:.2f}", []]
)
def test_other_texts_are_no_templates(template: object) -> None:
    with pytest.raises(ValueError, match="must"):
        parse(template)  # type: ignore[arg-type]


def test_there_is_an_end_to_the_number_of_fields() -> None:
    with pytest.raises(ValueError, match="at most 32"):
        parse([f"f{number}" for number in range(33)])
