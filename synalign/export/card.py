"""The card of an export: where it came from, what is in it, what is not, and how to train on it."""

from __future__ import annotations

import json

from synalign import __version__
from synalign.export.layout import Format, Options, Written
from synalign.export.source import Source

_DRAWN = (
    "Rows were drawn by weight: a row may be there several times, one copy after another. Shuffle, and keep copies out "
    "of one batch where the trainer can, since they would be each other's negatives."
)


def card(source: Source, chosen: Format, options: Options, written: Written) -> str:
    """Return the card as Markdown, with a head that Hugging Face's `datasets` reads where files have splits."""
    facts = [
        ("version", source.name),
        ("interval", source.interval or "not known: given as files"),
        ("digest of its training set", source.digest),
        ("rows there, of all splits", f"{source.content.rows:,}"),
        ("format", chosen.name),
        ("weights", chosen.weights),
        ("scores", chosen.scores),
        *([("drawn by weight", f"{options.draw:,} rows")] if options.draw else []),
        ("written by", f"SynAlign {__version__}"),
    ]
    parts = [
        _head(written),
        "# A training set for a text retriever\n",
        "Real queries, and written ones that are weighted to be distributed like them.\n",
        _table(("where it came from", ""), facts),
        _table(("file", "rows"), [(f"`{name}`", f"{rows:,}") for name, rows in written.rows.items()]),
        *(f"{note}\n" for note in (*written.notes, *([_DRAWN] if options.draw else []))),
        "## Train on it\n",
        f"{written.usage}\n",
        _command(source, chosen, options),
    ]
    return "\n".join(part for part in parts if part)


def _head(written: Written) -> str:
    """Return the head in YAML; JSON is YAML, and quotes what needs it."""
    if not written.configurations:
        return ""
    configurations = [
        {"config_name": name, "data_files": [{"split": split, "path": path} for split, path in files.items()]}
        for name, files in written.configurations.items()
    ]
    return f"---\nconfigs: {json.dumps(configurations)}\n---\n"


def _table(head: tuple[str, str], rows: list[tuple[str, str]]) -> str:
    lines = [f"| {head[0]} | {head[1]} |", "|---|---|", *(f"| {left} | {_cell(right)} |" for left, right in rows)]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _command(source: Source, chosen: Format, options: Options) -> str:
    asked = [
        *(["--scores"] if options.scores else []),
        *([f"--negatives {options.negatives}"] if options.negatives is not None else []),
        *([f"--draw {options.draw}"] if options.draw is not None else []),
    ]
    command = " ".join(["synalign export", source.name, f"--to {chosen.name}", *asked, "--out FOLDER"])
    return f"Made by `{command}`.\n"
