"""Checks that an encoder can read texts: unknown tokens, and different texts with the same tokens.

A tokenizer replaces what its vocabulary lacks by one token for *unknown*, and whole sentences of a script without
spaces by a single one. Their vectors say nothing, or are all equal, while every later step goes on as if they did. This
is measured on the tokens alone: a text's vector depends on nothing else, so equal tokens are equal vectors. Nothing
heavier than the tokenizer is loaded.

Measured with all-MiniLM-L6-v2 (share of distinct texts that are unreadable by the rule below): English, German and
Vietnamese queries, code, product codes 0; CLAP NQ, CoSQA, Banking77 0, Bing's queries on the coronavirus 0.005; queries
made of 10 products and 8 requests in Thai, Khmer and Chinese 1.0, Tamil 0.96, Georgian 0.93, Armenian 0.80, Japanese
0.65, Hindi 0.49, Korean 0.10; emoji alone 1.0; English with 10 % Thai 0.10, with 50 % 0.50. Of Russian, Greek, Arabic,
Hebrew and Korean it knows the letters and no words: asked which of ten products a query names, its vectors are right in
0.71 (Korean) to 1.0 (Russian) of them, in 0.10 to 0.64 where texts are unreadable. That is told, and stops nothing.
"""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from synalign.config import Encoder
from synalign.embedding.encoder import folder
from synalign.errors import InputError, listed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

LOST = 0.3
"""Share of a text's characters in unknown tokens from which it cannot be read."""

SPELLED = 0.5
"""Share of a text's characters that are pieces of one letter above which it is spelled, not read."""

MOST_UNREADABLE = 0.3
"""Share of unreadable texts from which an encoder does not fit them: between 10 % foreign rows and 50 %."""

MOST_ALIKE = 0.3
"""Share of distinct texts with the vector of another from which an encoder does not fit them. Of the demo's queries
4 % differ in case alone, which the encoder does not see; of Japanese and Hindi ones 40 % are alike."""

REMEDY = "set encoder.model to the folder of a sentence-transformers model for the language of your texts"
"""The advice on an encoder that does not fit."""

FEW = 5
"""Below so many unreadable texts a share says little, unless nearly all are."""

SAMPLE_CHARACTERS = 2_000
"""Characters of a text that are read."""


class Reading(NamedTuple):
    """What an encoder makes of some distinct texts.

    Attributes:
        texts: How many.
        tokens: Their tokens, without those that mark beginning and end.
        unknown: How many of the tokens stand for what the vocabulary lacks.
        unreadable: Rows of the texts that are lost: mostly unknown, or not to be told from others for it.
        spelled: Rows of the texts that are pieces of one letter.
        scripts: In which scripts the unknown parts are, the commonest first.
    """

    texts: int
    tokens: int
    unknown: int
    unreadable: tuple[int, ...]
    spelled: tuple[int, ...]
    scripts: tuple[str, ...]

    @property
    def unknown_share(self) -> float:
        """Share of the tokens that are unknown."""
        return self.unknown / self.tokens if self.tokens else 0.0

    @property
    def unreadable_share(self) -> float:
        """Share of the texts that are lost."""
        return len(self.unreadable) / self.texts if self.texts else 0.0

    @property
    def fits(self) -> bool:
        """Return whether the encoder can be used for such texts."""
        return not too_many(len(self.unreadable), self.texts, MOST_UNREADABLE)


def too_many(some: int, all_: int, most: float) -> bool:
    """Return whether a share is too large, and no accident of a few texts.

    Examples:
        >>> too_many(1, 3, 0.3), too_many(3, 3, 0.3), too_many(10, 100, 0.3), too_many(50, 100, 0.3)
        (False, True, False, True)
    """
    share = some / all_ if all_ else 0.0
    return share >= most and (some >= FEW or share > 0.8)


def read(texts: Sequence[str], settings: Encoder) -> Reading | None:
    """Return what an encoder makes of texts.

    Args:
        texts: Distinct texts; what is beyond `SAMPLE_CHARACTERS` or the encoder's bound is not looked at.
        settings: The encoder.

    Returns:
        None where its tokenizer cannot be asked, as that of an endpoint, or has no token for unknown.

    Raises:
        SetupError: The model is missing.
    """
    tokenizer = None if settings.endpoint is not None else _tokenizer(str(folder(settings)), settings.max_tokens)
    if tokenizer is None:
        return None
    cut = [text[:SAMPLE_CHARACTERS] for text in texts]
    seen = [_Seen.of(text, encoding, tokenizer) for text, encoding in zip(cut, tokenizer.encode(cut), strict=True)]
    # Texts that differ in case or accents alone are one text to many encoders, and rightly so.
    sounds = Counter((one.ids, _folded(text)) for one, text in zip(seen, cut, strict=True))
    alike = Counter(ids for ids, _ in sounds)
    # Long texts may begin alike, up to where they are cut.
    short = settings.max_tokens
    lost = [one.lost >= LOST or (one.unknown > 0 and one.tokens < short and alike[one.ids] > 1) for one in seen]
    scripts = Counter(script for one in seen for script in one.scripts)
    return Reading(
        len(seen),
        sum(one.tokens for one in seen),
        sum(one.unknown for one in seen),
        tuple(row for row, is_lost in enumerate(lost) if is_lost),
        tuple(row for row, one in enumerate(seen) if one.spelled > SPELLED and not lost[row]),
        tuple(script for script, _ in scripts.most_common(3)),
    )


def alike(texts: Sequence[str], vectors: NDArray[np.float32]) -> int:
    """Return how many texts have the very vector of another that differs in more than case and accents.

    Args:
        texts: n distinct texts.
        vectors: (n, d) float32, theirs.

    Examples:
        >>> import numpy as np
        >>> alike(["a", "A", "b", "c"], np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32))
        2
    """
    groups: dict[bytes, list[str]] = {}
    for text, vector in zip(texts, vectors, strict=True):
        groups.setdefault(vector.tobytes(), []).append(text)
    shared = (group for group in groups.values() if len(group) > 1)
    return sum(len(group) for group in shared if len(set(map(_folded, group))) > 1)


class _Tokenizer(NamedTuple):
    """A model's tokenizer, its token for unknown, and whether it puts words together from pieces (WordPiece)."""

    tokenizer: Tokenizer
    unknown: int
    pieces: bool

    def encode(self, texts: list[str]) -> list[Any]:
        return list(self.tokenizer.encode_batch(texts, add_special_tokens=False))


@lru_cache(maxsize=4)
def _tokenizer(folder: str, max_tokens: int) -> _Tokenizer | None:
    from tokenizers import Tokenizer

    try:
        modules = json.loads((Path(folder) / "modules.json").read_bytes())
        file = Path(folder) / modules[0]["path"] / "tokenizer.json"
        model = json.loads(file.read_bytes())["model"]
        tokenizer = Tokenizer.from_file(str(file))
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None
    unknown = tokenizer.token_to_id(model["unk_token"]) if model.get("unk_token") else model.get("unk_id")
    if unknown is None or model.get("byte_fallback"):
        return None
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    return _Tokenizer(tokenizer, int(unknown), model.get("type") == "WordPiece")


class _Seen(NamedTuple):
    """One text as its tokens: `lost` and `spelled` are shares of its characters."""

    ids: tuple[int, ...]
    tokens: int
    unknown: int
    lost: float
    spelled: float
    scripts: tuple[str, ...]

    @classmethod
    def of(cls, text: str, encoding: Any, tokenizer: _Tokenizer) -> _Seen:
        ids, words = tuple(encoding.ids), Counter(encoding.word_ids)
        lost: set[int] = set()
        spelled: set[int] = set()
        for (start, end), token, word in zip(encoding.offsets, ids, encoding.word_ids, strict=True):
            if token == tokenizer.unknown:
                lost.update(range(start, end))
            elif tokenizer.pieces and end - start == 1 and words[word] > 1 and text[start].isalpha():
                spelled.add(start)
        end = max((end for _, end in encoding.offsets), default=len(text))
        places = {place for place, character in enumerate(text[:end]) if not character.isspace()}
        # A text of which the tokenizer keeps nothing is lost as a whole.
        gone = places if not ids else lost & places
        scripts = tuple(sorted({_script(text[place]) for place in gone}))
        share = max(len(places), 1)
        return cls(ids, len(ids), sum(token == tokenizer.unknown for token in ids), len(gone) / share,
                   len(spelled & places) / share, scripts)  # fmt: skip


def _folded(text: str) -> str:
    """Return a text without case and accents."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in apart if not unicodedata.combining(character))


def _script(character: str) -> str:
    """Return the script of a character, by the first word of its name.

    >>> [_script(character) for character in ("ก", "电", "😀", "é")]
    ['Thai', 'Chinese characters', 'symbols', 'Latin']
    """
    name = unicodedata.name(character, "")
    if name.startswith("CJK"):
        return "Chinese characters"
    # Letters, and the marks that belong to them.
    return name.split(" ", 1)[0].capitalize() if unicodedata.category(character)[0] in "LM" else "symbols"


def refusal(what: str, settings: Encoder, found: Reading) -> InputError:
    """Return the error for texts that an encoder cannot read; it quotes none of them, since logs keep it."""
    scripts = f", in {listed(found.scripts)}" if found.scripts else ""
    return InputError(
        f"encoder.model == {settings.model!r}, cannot read the {what}: {found.unknown_share:.0%} of their tokens are "
        f"unknown to it, and {len(found.unreadable):,} of {found.texts:,} distinct ones are lost{scripts}.",
        cause="the encoder was trained on another language",
        remedy=REMEDY,
    )


def told(what: str, found: Reading) -> str:
    """Return what is to be said of texts that an encoder can be used for; empty where all is well."""
    parts = []
    if found.unreadable:
        scripts = f", in {listed(found.scripts)}" if found.scripts else ""
        parts.append(
            f"the encoder cannot read {len(found.unreadable):,} of {found.texts:,} {what} "
            f"({found.unreadable_share:.1%}; {found.unknown_share:.1%} of all tokens are unknown{scripts})"
        )
    if found.spelled:
        parts.append(
            f"it spells {len(found.spelled):,} of {found.texts:,} {what} letter by letter, since it knows no words of "
            "their language"
        )
    return "; ".join(parts)
