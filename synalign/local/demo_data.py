"""The made data that `make refresh` starts from: the help pages of an appliance shop, and two months of searches.

Everything is drawn from small grammars with a seed, so the same seed gives the same bytes. The shop is young: there are
few searches, spread by a power law over all its help pages, so that many pages have no click, and most of those that
people will ask for next are among them. Searches come in several forms (keywords, questions, complaints, error codes),
carry typing errors, and often call a product or a fault by another name than its page does (`hoover`, `furred up`).
Beside the help pages stand pages of the company, which nobody searches for; queries written for those are unlike real
ones. A few rows of the log are broken on purpose, one for every rule of ingest.
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

NAMES = {
    "dishwasher": ("dish washer", "dishwashing machine"),
    "washing machine": ("washer", "laundry machine"),
    "tumble dryer": ("clothes dryer", "laundry dryer"),
    "fridge freezer": ("refrigerator", "fridge"),
    "induction hob": ("induction stove", "induction cooktop"),
    "built-in oven": ("wall oven", "oven"),
    "microwave": ("micro wave", "microwave oven"),
    "espresso machine": ("coffee machine", "coffee maker"),
    "robot vacuum": ("robot hoover", "robotic vacuum cleaner"),
    "cordless vacuum": ("cordless hoover", "stick vacuum cleaner"),
    "air purifier": ("air cleaner", "air filter"),
    "dehumidifier": ("humidity remover", "air dryer"),
    "electric kettle": ("kettle", "tea kettle"),
    "stand mixer": ("kitchen mixer", "kitchenaid"),
    "food processor": ("food chopper", "kitchen chopper"),
    "bread maker": ("bread machine", "breadmaker"),
    "slow cooker": ("crock pot", "crockpot"),
    "rice cooker": ("rice steamer", "rice pot"),
    "steam iron": ("clothes iron", "flat iron"),
    "sewing machine": ("stitching machine", "sewing mashine"),
}
"""Names that people type where a page has the shop's."""

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

SAID_OTHERWISE = {
    "Cleaning": ("{p} full of grime", "get gunk out of {p}", "{p} mouldy what to do", "wash {p} inside"),
    "Installation": ("hook up {p}", "where can i put {p}", "just bought {p} first steps", "fitting a {p}"),
    "Error codes": ("{p} flashing letters", "{p} fault message", "{p} shows numbers", "fault f9 {p}"),
    "Noise": ("{p} screeching", "{p} bangs", "{p} sounds like a jet", "{p} vibrates like mad"),
    "Does not start": ("{p} is dead", "cannot switch {p} on", "{p} no reaction to button", "{p} stays dark"),
    "Spare parts": ("order new {a} {p}", "{p} components", "where to get {c} for {p}", "{p} serial plate"),
    "Warranty": ("{p} guarantee", "{p} covered if it breaks", "free repair {p}", "{p} broke who pays"),
    "Energy use": ("{p} running costs", "{p} electricity bill", "{p} how many watts", "cheap to run {p}"),
    "Descaling": ("{p} furred up", "chalk in {p}", "get rid of calcium {p}", "{p} scale remover"),
    "App and Wi-Fi": ("{p} phone control", "{p} not online", "smart home {p}", "{p} router password changed"),
    "Leaking": ("puddle below {p}", "{p} wet floor", "{p} drops of water", "{p} not tight"),
    "Returns": ("{p} money back", "do not want {p} any more", "{p} exchange", "give {p} back"),
}
"""Ways to ask for a topic without its page's words."""

OFFICES = ("Hamburg", "Lyon", "Porto", "Gdansk", "Turin", "Malmo")

COMPANY = {
    "Quarterly results": "Turnover of the {o} branch rose by four percent in the third quarter. The board expects the "
    "margin before interest to stay level. Shareholders find the audited figures in the annual report.",
    "Open positions": "We look for a warehouse clerk and two accountants in {o}. You bring a completed apprenticeship "
    "and a forklift licence. Applications go to the personnel department until the end of the month.",
    "Press release": "At a ceremony in {o} the mayor opened our new logistics centre. The hall has nine loading ramps "
    "and a roof of solar cells. Photographs for editors can be had from the press office.",
    "Supplier terms": "Suppliers of the {o} hub are paid within forty-five days of an undisputed invoice. Pallets must "
    "carry an SSCC label. Late deliveries are charged with one percent of the value of goods a day.",
    "Imprint": "Responsible under media law is the managing director of the {o} company, entered in the commercial "
    "register of the district court. The tax number is given on request.",
    "Sponsoring": "The {o} office supports the youth football league and an orchestra. Clubs may hand in a concept "
    "with a budget until March. A jury of employees decides by a majority of votes.",
    "Works council": "The works council in {o} was elected for four years. It has its consultation hour on Thursdays. "
    "Agreements on shift work and company pensions are in the intranet.",
    "Sustainability report": "The {o} site has cut its emissions of scope one and two by a fifth since the base year. "
    "The report follows the standards of the reporting initiative and was assured by auditors.",
}
"""Pages that nobody searches for."""

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


def make(folder: Path, *, seed: int = 0, events: int = 750) -> tuple[Path, Path]:
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
    """Every page: id, title, text, and the ways people ask for it; nobody asks for the company's."""
    pages: list[tuple[str, str, str, list[str]]] = []
    for product, (what, a, b, c) in PRODUCTS.items():
        for topic, (text, common, rare) in TOPICS.items():
            words = {"p": product, "what": what, "a": a, "b": b, "c": c}
            forms = (*common, *rare, *SAID_OTHERWISE[topic])
            asked = [form.format(**words | {"p": name}) for form in forms for name in (product, *NAMES[product])]
            pages.append((f"doc-{len(pages) + 1:04d}", f"{product.capitalize()}: {topic}", text.format(**words), asked))
    for subject, text in COMPANY.items():
        for office in OFFICES:
            pages.append((f"doc-{len(pages) + 1:04d}", f"{subject}: {office}", text.format(o=office), []))
    return pages


def _events(
    rng: random.Random, pages: list[tuple[str, str, str, list[str]]], count: int
) -> list[tuple[str | None, str | None, str | None]]:
    asked_for = [page for page in pages if page[3]]
    rng.shuffle(asked_for)
    popularity = [1.0 / (rank + 20) for rank in range(len(asked_for))]
    # Most people ask for a page in one of few ways.
    usual = {page: rng.sample(forms, 4) for page, _, _, forms in asked_for}
    rows: list[tuple[str | None, str | None, str | None]] = []
    for _ in range(count):
        page, _, _, forms = rng.choices(asked_for, popularity)[0]
        query = rng.choice(usual[page] if rng.random() < 0.8 else forms)
        moment = FIRST_DAY + timedelta(seconds=rng.randrange(DAYS * 86_400))
        rows.append((moment.isoformat(), _as_typed(rng, query), page))
    return sorted(rows, key=str)


def _as_typed(rng: random.Random, query: str) -> str:
    """Return a query with slips of real ones: a swapped pair of letters, a capital, extra words, a question mark."""
    if rng.random() < 0.06 and len(query) > 6:
        at = rng.randrange(1, len(query) - 2)
        query = query[:at] + query[at + 1] + query[at] + query[at + 2 :]
    if rng.random() < 0.1:
        query = f"{query} {rng.choice(('please', 'help', '2026', 'at home', 'fast', 'guide', 'old model'))}"
    if rng.random() < 0.08:
        query = query.capitalize()
    return query + "?" if query.startswith(("how", "why", "what", "is", "can", "do")) and rng.random() < 0.3 else query
