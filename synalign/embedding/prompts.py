"""The prompts of an encoder: what is put before a query and before a document.

Many models are trained with them (`query: ` and `passage: ` of E5, an instruction of BGE, GTE and Qwen3-Embedding), and
give other vectors without. sentence-transformers keeps them in `config_sentence_transformers.json`, and this reads them
there as its `encode_query` and `encode_document` do, with two differences, both where that would put nothing: a
document gets the model's `passage` or `corpus` where its `document` is empty, since the library gives every model an
empty `document`; and a query or document without a prompt of its own gets the one that `default_prompt_name` names,
unless that is the other side's.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from synalign.errors import SetupError

if TYPE_CHECKING:
    from pathlib import Path

    from synalign.config import Encoder

Side = Literal["query", "document"]
"""On which side of the search a text stands; carried and written queries are queries."""

_KEYS: dict[Side, tuple[str, ...]] = {"query": ("query",), "document": ("document", "passage", "corpus")}
_FILE = "config_sentence_transformers.json"
# Settings of sentence-transformers' modules that treat queries and documents differently.
_TASKS = ("query_length", "document_length", "query_expansion")
_LEAST_TOKENS = 8


class Prompts(NamedTuple):
    """What is put before queries and before documents; empty: nothing."""

    query: str
    document: str

    def of(self, side: Side) -> str:
        """Return the prompt of one side."""
        return self.query if side == "query" else self.document


class Own(NamedTuple):
    """What a model's files say of prompts.

    Attributes:
        prompts: Those that are used where the settings name none.
        names: All names under which the model has a prompt that is not empty.
        tasks: The model treats queries and documents differently beyond their prompts.
    """

    prompts: Prompts
    names: tuple[str, ...]
    tasks: bool


def prompts(folder: Path, settings: Encoder) -> Prompts:
    """Return the prompts in force: those of the settings, else the model's own.

    Raises:
        SetupError: The model's file of prompts is malformed.
    """
    mine = own(folder).prompts
    return Prompts(
        mine.query if settings.query_prompt is None else settings.query_prompt,
        mine.document if settings.document_prompt is None else settings.document_prompt,
    )


@lru_cache(maxsize=8)
def own(folder: Path) -> Own:
    """Return what a model's files say of prompts.

    Raises:
        SetupError: They are malformed.
    """
    content = _read(folder / _FILE)
    named, default = content.get("prompts"), content.get("default_prompt_name")
    named = {} if named is None else named
    texts = isinstance(named, dict) and all(isinstance(text, str | None) for text in named.values())
    if not texts or (default is not None and default not in (*named, "query", "document")):
        raise SetupError(
            f"{folder / _FILE} has prompts that cannot be used: `prompts` must hold a text for each name, and "
            "`default_prompt_name` must be one of these names or null.",
            cause="a damaged file, or one that was edited by hand",
            remedy="save the model again with SentenceTransformer.save_pretrained",
        )
    found = Prompts(*(_of(side, named, default) for side in _KEYS))
    return Own(found, tuple(name for name, text in named.items() if text), _has_tasks(folder))


def _of(side: Side, named: dict[str, str | None], default: str | None) -> str:
    for key in _KEYS[side]:
        if text := named.get(key):
            return text
    others = {key for other, keys in _KEYS.items() if other != side for key in keys}
    return "" if default is None or default in others else named.get(default) or ""


def _has_tasks(folder: Path) -> bool:
    modules = _read(folder / "modules.json", [])
    if any(str(module.get("type", "")).rsplit(".", 1)[-1] in ("Router", "Asym") for module in modules):
        return True
    files = [folder / module.get("path", "") / "sentence_bert_config.json" for module in modules]
    return any(_read(file).get(name) for file in files for name in _TASKS)


def _read(file: Path, without: Any = None) -> Any:
    """Return a JSON file's content; where there is none, an empty one."""
    if not file.is_file():
        return {} if without is None else without
    try:
        content = json.loads(file.read_bytes())
    except ValueError as error:
        raise SetupError(f"{file} cannot be read: {error}.", remedy="save the model again") from error
    expected = dict if without is None else list
    if not isinstance(content, expected):
        raise SetupError(
            f"{file} cannot be read: a {type(content).__name__}, must be a {expected.__name__}.",
            remedy="save the model again",
        )
    return content


def check_room(folder: Path, settings: Encoder) -> None:
    """Refuse a prompt that leaves no room for a text: all texts would be cut to it, and have one vector.

    Raises:
        SetupError: It does.
    """
    file = _tokenizer_file(folder)
    if file is None:
        return
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    for side, prompt in prompts(folder, settings)._asdict().items():
        tokens = len(tokenizer.encode(prompt).ids) if prompt else 0
        require_room(side, tokens, settings.max_tokens)


def require_room(side: str, tokens: int, max_tokens: int) -> None:
    """Refuse a prompt of so many tokens, none if 0, that leaves no room for a text.

    Raises:
        SetupError: It does.
    """
    if tokens and tokens + _LEAST_TOKENS > max_tokens:
        raise SetupError(
            f"encoder.max_tokens == {max_tokens}, must be at least {tokens + _LEAST_TOKENS}: the prompt of a {side} "
            f"has {tokens} tokens.",
            cause="texts are cut with their prompt before them, and nothing would be left of them",
            remedy=f"raise encoder.max_tokens, or shorten encoder.{side}_prompt",
        )


def _tokenizer_file(folder: Path) -> Path | None:
    modules = _read(folder / "modules.json", [])
    places = [folder / (modules[0].get("path") or "") if modules else folder, folder]
    return next((place / "tokenizer.json" for place in places if (place / "tokenizer.json").is_file()), None)
