"""The report in a real browser: opened from disk, pointed at, tapped, resized, in light and dark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from synalign.config import Configuration
from synalign.report.write import write
from tests.report.conftest import Opened
from tests.report.runs import made_run

Open = Callable[..., Opened]
MARKUP = "<b class=injected>bold</b><script>document.title = 'injected'</script>"
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a finished run, with a text in it that wants to be markup."""
    folder = tmp_path_factory.mktemp("report")
    texts = ("how to sort a list", "read a file", "what is a closure in python", "merge two dicts 7 times", MARKUP)
    source = {"kind": "log", "path": "log", "documents": {"path": "documents"}}
    shop = Configuration.model_validate({"retriever": "shop", "schedule": {"start": "2026-01-01"}, "source": source})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNALIGN_HOME", str(folder))
        write(made_run(shop, texts=texts, scheme="equal_mass"), folder / "report.html")
    return folder / "report.html"


def middle_of_a_circle(opened: Opened, kind: str) -> tuple[float, float]:
    """Where on the screen the largest circle of a panel is."""
    panel = opened.page.locator(f'.points[data-kind="{kind}"]')
    panel.scroll_into_view_if_needed()
    box = panel.locator(".written circle").first.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_it_opens_from_disk_without_a_word_or_a_request(report: Path, open_file: Open) -> None:
    opened = open_file(report)
    assert opened.page.locator("main > section").count() >= 9
    assert opened.page.locator("nav a").count() == opened.page.locator("main > section").count()
    opened.page.emulate_media(color_scheme="dark")
    opened.page.emulate_media(media="print")
    assert (opened.said, opened.asked) == ([], [])


def test_pointing_at_a_circle_shows_its_text_and_weight_and_leaving_hides_it(report: Path, open_file: Open) -> None:
    opened = open_file(report)
    tip = opened.page.locator(".tip")
    assert not tip.is_visible()
    opened.page.mouse.move(*middle_of_a_circle(opened, "weighted"))
    heaviest = opened.page.locator(".queries.written li").first
    assert tip.is_visible()
    assert tip.inner_text().startswith(heaviest.text_content() or "-")
    assert f"weight {heaviest.get_attribute('data-weighted')}" in tip.inner_text()
    assert opened.page.locator(".here").count() == 3
    opened.page.mouse.move(1, 1)
    assert not tip.is_visible()
    assert opened.said == []


def test_text_that_wants_to_be_markup_stays_text_under_the_pointer(report: Path, open_file: Open) -> None:
    opened = open_file(report)
    item = opened.page.locator(".queries.written li", has_text="injected").first
    x, y = (int(item.get_attribute(f"data-{axis}") or 0) for axis in ("x", "y"))
    panel = opened.page.locator('.points[data-kind="raw"]')
    panel.scroll_into_view_if_needed()
    box = panel.bounding_box()
    assert box is not None
    opened.page.mouse.move(box["x"] + box["width"] * x / 1000, box["y"] + box["height"] * y / 1000)
    assert "<b class=injected>" in opened.page.locator(".tip").inner_text()
    assert opened.page.locator(".injected").count() == 0
    assert opened.page.title() != "injected"


def test_layers_can_be_switched_off_and_are_then_not_pointed_at(report: Path, open_file: Open) -> None:
    opened = open_file(report)
    place = middle_of_a_circle(opened, "weighted")
    opened.page.locator("#map-written").uncheck()
    opened.page.locator("#map-real").uncheck()
    assert not opened.page.locator(".points .layer.written").first.is_visible()
    opened.page.mouse.move(*place)
    assert not opened.page.locator(".tip").is_visible()


def test_arrow_keys_go_from_query_to_query_and_a_reader_is_told(report: Path, open_file: Open) -> None:
    opened = open_file(report)
    opened.page.locator('.points[data-kind="weighted"]').focus()
    said = []
    for arrow in ("ArrowDown", "ArrowRight", "ArrowLeft", "ArrowUp"):
        opened.page.keyboard.press(arrow)
        ring = opened.page.locator(".here").first
        said.append((ring.get_attribute("cx"), ring.get_attribute("cy")))
        assert (opened.page.locator(".readout").text_content() or "") != ""
    assert len(set(said)) > 1
    opened.page.keyboard.press("Escape")
    assert not opened.page.locator(".tip").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_hangs_over_the_edge_and_a_tap_shows_a_text(
    report: Path, open_file: Open, scheme: str
) -> None:
    opened = open_file(report, color_scheme=scheme, **PHONE)
    assert opened.page.evaluate("document.documentElement.scrollWidth") == 360
    opened.page.touchscreen.tap(*middle_of_a_circle(opened, "weighted"))
    tip = opened.page.locator(".tip")
    assert tip.is_visible()
    box = tip.bounding_box()
    assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 360
    assert opened.page.evaluate("document.documentElement.scrollWidth") == 360
    assert (opened.said, opened.asked) == ([], [])


def test_text_can_be_read_on_its_ground_in_light_and_dark(report: Path, open_file: Open) -> None:
    for scheme in ("light", "dark"):
        page = open_file(report, color_scheme=scheme).page
        for name in ("ink", "soft", "real", "raw", "weighted", "mass", "link"):
            ratio = page.evaluate(_CONTRAST, name)
            assert ratio >= 4.5, (scheme, name, ratio)


# The contrast of two colours as WCAG 2.2 defines it; 4.5 is its bound for text.
_CONTRAST = """
(name) => {
  const colour = (variable) => {
    const probe = document.body.appendChild(document.createElement("p"));
    probe.style.color = `var(--${variable})`;
    const found = getComputedStyle(probe).color.match(/[\\d.]+/g).slice(0, 3).map(Number);
    probe.remove();
    return found;
  };
  const light = (parts) => {
    const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = parts.map((part) => linear(part / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [high, low] = [light(colour(name)), light(colour("card"))].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
}
"""


def test_without_a_script_everything_but_pointing_still_works(report: Path, open_file: Open) -> None:
    opened = open_file(report, java_script_enabled=False)
    assert opened.page.locator(".points").first.is_visible()
    opened.page.locator(".texts summary").click()
    assert opened.page.locator(".queries.written li").first.is_visible()
    opened.page.locator("#map-real").uncheck()
    assert not opened.page.locator(".points .layer.real").first.is_visible()
