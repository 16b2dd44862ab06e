"""The made data that `make refresh` starts from: the help pages of an appliance shop, and two months of searches.

Everything is drawn from small grammars with a seed, so the same seed gives the same bytes. Searches follow a power
law over pages, come in several forms (keywords, questions, complaints, error codes), carry typing errors, and leave
most pages without a click; a few rows are broken on purpose, one for every rule of ingest.
"""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 59

PRODUCTS = {
    "dishwasher": ("rinses dishes with two spray arms", "filter", "spray arm", "salt container"),
    "washing machine": ("washes up to nine kilos of laundry", "drum", "detergent drawer", "drain pump"),
    "tumble dryer": ("dries laundry with a heat pump", "lint filter", "condenser", "moisture sensor"),
    "fridge freezer": ("cools and freezes in separate compartments", "door seal", "evaporator", "ice maker"),
    "induction hob": ("heats the pan itself through a magnetic field", "glass surface", "touch panel", "coil"),
    "built-in oven": ("bakes with top heat, bottom heat and fan", "heating element", "door glass", "rack rail"),
    "microwave": ("warms food with a turntable and a grill", "turntable", "waveguide cover", "door latch"),
    "espresso machine": ("brews espresso at nine bar from whole beans", "brew group", "water tank", "milk frother"),
    "robot vacuum": ("maps rooms with a laser and sweeps them", "side brush", "dust bin", "charging dock"),
    "cordless vacuum": ("cleans floors on a charge of forty minutes", "roller brush", "battery", "cyclone filter"),
    "air purifier": ("filters pollen and smoke from room air", "carbon filter", "particle sensor", "fan"),
    "dehumidifier": ("draws up to twenty litres of water a day from the air", "water bucket", "coil", "humidistat"),
    "electric kettle": ("boils a litre and a half in four minutes", "lid", "lime filter", "base plate"),
    "stand mixer": ("kneads, beats and whisks in a steel bowl", "dough hook", "bowl lock", "speed dial"),
    "food processor": ("slices, grates and chops with one motor", "blade", "feed tube", "safety lock"),
    "bread maker": ("kneads, proves and bakes a loaf overnight", "kneading paddle", "bread pan", "fruit dispenser"),
    "slow cooker": ("cooks stews at low heat for hours", "ceramic pot", "lid", "timer"),
    "rice cooker": ("steams rice and keeps it warm", "inner pot", "steam valve", "steam tray"),
    "steam iron": ("presses clothes with a jet of steam", "sole plate", "anti-drip valve", "water tank"),
    "sewing machine": ("sews straight, zigzag and buttonhole stitches", "bobbin case", "needle bar", "foot pedal"),
}  # fmt: skip

TOPICS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "Cleaning": (
        "Switch the {p} off and pull the plug before you clean it. Take out the {a} and rinse it under warm water. "
        "Wipe the {b} with a soft cloth and a drop of washing-up liquid, never with scouring powder. "
        "Once a month clean the {c} as well, or smells and stains build up.",
        ("how to clean {p}", "{p} {a} cleaning", "how often should i clean the {a} of my {p}", "clean {b}"),
        ("vinegar to clean {p} ok?", "my {p} smells bad what can i do", "{p} dirty {c}"),
    ),
    "Installation": (
        "The {p} needs a level floor or worktop and a socket of its own. Remove the transport locks from the {a}. "
        "Leave five centimetres of space behind it so that air can reach the {c}. Run it once empty before first use.",
        ("install {p}", "{p} transport lock remove", "how do i set up a new {p}", "{p} installation space needed"),
        ("do i need a plumber for {p}", "first use {p}", "who installs {p} near me"),
    ),
    "Error codes": (
        "The display of the {p} shows a code when something is wrong. E1: the {a} is blocked or missing. "
        "E2: the {b} does not answer, switch off for ten minutes. E3: the {c} is too hot. F9: call the service line.",
        ("{p} error e1", "{p} e2", "what does e3 mean on {p}", "{p} display shows f9"),
        ("{p} blinking light", "error code {p} reset", "why is my {p} showing e1"),
    ),
    "Noise": (
        "A low hum is normal, because the {p} {what}. Rattling points to a loose {a}; grinding to a worn {b}. "
        "Check that it stands level. If the noise comes from the {c}, stop using it and book a repair.",
        ("{p} making noise", "why is my {p} so loud", "{p} rattling", "{p} {b} grinding noise"),
        ("loud humming {p} at night", "is it normal that {p} hums", "quiet {p}"),
    ),
    "Does not start": (
        "Check the socket with a lamp first. The {p} does not start while the {a} is open or not in place. "
        "Press and hold the power button for five seconds. If the child lock is on, a key shows on the display.",
        ("{p} not turning on", "{p} won't start", "my {p} does not start what now", "{p} no power"),
        ("{p} dead after power cut", "{p} child lock off", "{p} stopped working suddenly"),
    ),
    "Spare parts": (
        "Spare parts for the {p} are kept for ten years: {a}, {b} and {c} are sold in the shop. "
        "You find the model number on the plate behind the {a}. Parts arrive within three working days.",
        ("{p} replacement {a}", "buy {b} for {p}", "{p} spare parts", "where is model number on {p}"),
        ("{a} broken {p} price", "compatible {c}", "how long do you keep parts for {p}"),
    ),
    "Warranty": (
        "The {p} comes with two years of warranty from the day of purchase; the motor has five. "
        "Wear of the {a} is not covered. Keep the receipt. A repair by others than our service ends the warranty.",
        ("{p} warranty", "how long is warranty on {p}", "is {a} covered by warranty", "warranty claim {p}"),
        ("{p} broke after 1 year refund", "no receipt warranty {p}", "extend warranty {p}"),
    ),
    "Energy use": (
        "The {p} {what}. Its label shows class B. The eco programme takes longer and needs a third less power. "
        "A clean {a} saves up to ten percent. In standby it draws half a watt.",
        ("{p} energy consumption", "how much electricity does a {p} use", "{p} eco mode", "{p} kwh per year"),
        ("is it cheaper to run {p} at night", "{p} standby watts", "energy saving {p}"),
    ),
    "Descaling": (
        "Hard water leaves lime in the {p}, above all on the {b}. Descale it every three months with citric acid. "
        "Fill in the descaler, start the programme and rinse twice. Never use it on the {c}.",
        ("descale {p}", "how to remove limescale from {p}", "{p} descaler which", "citric acid {p}"),
        ("white residue {p}", "{p} hard water", "descale light stays on {p}"),
    ),
    "App and Wi-Fi": (
        "The {p} joins Wi-Fi networks at 2.4 GHz. Hold the Wi-Fi button until it blinks, then open the app. "
        "The app reports when the {a} needs care, and updates the software at night.",
        ("connect {p} to wifi", "{p} app not working", "{p} wifi reset", "{p} alexa"),
        ("{p} offline in app", "does {p} work without wifi", "{p} firmware update"),
    ),
    "Leaking": (
        "Water under the {p} often comes from a worn seal at the {a}. Close the tap and dry the floor. "
        "Look for cracks in the {b}. Do not use it until the {c} is dry, as water and current are dangerous.",
        ("{p} leaking water", "water under {p}", "{p} leaks from {a}", "why does my {p} leak"),
        ("{p} dripping", "replace seal {p}", "{p} leak dangerous?"),
    ),
    "Returns": (
        "You can return the {p} within thirty days, unused and in its box, with {a} and manual. "
        "Book a collection in your account. The money is back within five days of arrival.",
        ("return {p}", "{p} return policy", "can i return a used {p}", "send back {p} pick up"),
        ("changed my mind {p}", "refund {p} how long", "{p} box thrown away return"),
    ),
}

_BROKEN_ROWS: tuple[tuple[str | None, str | None, str | None], ...] = (
    ("2026-01-20T10:00:00", None, "doc-0001"),
    ("2026-01-20T10:00:01", "   ", "doc-0001"),
    ("2026-01-20T10:00:02", "fridge\x07beeping", "doc-0002"),
    ("2026-01-20T10:00:03", "very " * 100 + "long query", "doc-0003"),
    ("2026-01-20T10:00:04", "kettle lid", None),
    ("2026-01-20T10:00:05", "kettle lid", "doc-9999"),
    ("yesterday at noon", "kettle lid", "doc-0004"),
    (None, "kettle lid", "doc-0004"),
)


def make(folder: Path, *, seed: int = 0, events: int = 6000) -> tuple[Path, Path]:
    """Write `query_log.parquet` and `documents.parquet`.

    Args:
        folder: Where they go; made if missing.
        seed: The same seed gives the same bytes.
        events: Rows of the log, beside the broken ones.

    Returns:
        The paths of the log and of the documents.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pages = _pages()
    documents = {
        "document_id": [page for page, *_ in pages],
        "title": [title for _, title, *_ in pages],
        "text": [text for _, _, text, _ in pages],
    }
    log = _events(random.Random(seed), pages, events)
    log += list(_BROKEN_ROWS)
    columns = dict(zip(("event_time", "query", "document_id"), zip(*log, strict=True), strict=True))
    log_path, documents_path = folder / "query_log.parquet", folder / "documents.parquet"
    _write(pa.table({name: pa.array(rows, pa.string()) for name, rows in columns.items()}), log_path)
    _write(pa.table(documents), documents_path)
    return log_path, documents_path


def _write(table: pa.Table, path: Path) -> None:
    """Write a table whole or not at all: another refresh may be reading it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    pq.write_table(table, draft)
    draft.replace(path)


def _pages() -> list[tuple[str, str, str, list[str]]]:
    """Every help page: id, title, text, and the ways people ask for it."""
    pages: list[tuple[str, str, str, list[str]]] = []
    for product, (what, a, b, c) in PRODUCTS.items():
        for topic, (text, common, rare) in TOPICS.items():
            words = {"p": product, "what": what, "a": a, "b": b, "c": c}
            asked = [form.format(**words) for form in (*common, *common, *rare)]
            pages.append((f"doc-{len(pages) + 1:04d}", f"{product.capitalize()}: {topic}", text.format(**words), asked))
    return pages


def _events(
    rng: random.Random, pages: list[tuple[str, str, str, list[str]]], count: int
) -> list[tuple[str | None, str | None, str | None]]:
    order = list(range(len(pages)))
    rng.shuffle(order)
    # Two of five pages get all the clicks, by a power law; the others are the cold ones to write queries for.
    clicked = order[: len(order) * 2 // 5]
    popularity = [1.0 / (rank + 3) for rank in range(len(clicked))]
    rows: list[tuple[str | None, str | None, str | None]] = []
    for _ in range(count):
        page, _, _, asked = pages[rng.choices(clicked, popularity)[0]]
        moment = FIRST_DAY + timedelta(seconds=rng.randrange(DAYS * 86_400))
        rows.append((moment.isoformat(), _as_typed(rng, rng.choice(asked)), page))
    return sorted(rows, key=str)


def _as_typed(rng: random.Random, query: str) -> str:
    """Return a query with slips of real ones: a swapped pair of letters, a capital, extra words, a question mark."""
    if rng.random() < 0.12 and len(query) > 6:
        at = rng.randrange(1, len(query) - 2)
        query = query[:at] + query[at + 1] + query[at] + query[at + 2 :]
    if rng.random() < 0.15:
        query = f"{query} {rng.choice(('please', 'help', '2026', 'at home', 'fast', 'guide', 'old model'))}"
    if rng.random() < 0.08:
        query = query.capitalize()
    return query + "?" if query.startswith(("how", "why", "what", "is", "can", "do")) and rng.random() < 0.3 else query
