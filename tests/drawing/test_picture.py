"""Pictures that are files: XML that loads nothing, with the colours of the report."""

import re
import xml.etree.ElementTree as ET

from synalign.drawing.picture import picture, style_sheet
from synalign.drawing.svg import text


def test_a_picture_is_xml_whose_words_are_words_and_that_loads_nothing() -> None:
    made = picture(30, 20, "a\x00<b>", [text("title", 1, 2, "</svg><script>")])
    root = ET.fromstring(made)
    assert (root.get("viewBox"), root.get("aria-label")) == ("0 0 30 20", "a[U+0000]<b>")
    assert [child.tag.rpartition("}")[2] for child in root] == ["style", "rect", "text"]
    assert root[2].text == "</svg><script>"
    assert re.findall(r"url\(|@import|href|http", made.replace('xmlns="http://www.w3.org/2000/svg"', "")) == []


def test_every_colour_that_is_used_is_defined_in_light_and_dark() -> None:
    light, dark = style_sheet().split("@media", 1)
    used = set(re.findall(r"var\((--[a-z-]+)\)", style_sheet()))
    assert used
    for sheet in (light, dark):
        assert used <= set(re.findall(r"(--[a-z-]+):", sheet))
