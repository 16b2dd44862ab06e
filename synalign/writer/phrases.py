"""The subject of a document as short phrases: runs of content words (RAKE), ranked by tf-idf within the request."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import NamedTuple

from synalign.text.words import CODE_WORDS, WEAK_WORDS, is_function, split_identifier, stem, words

_BREAK = re.compile(r"[.,;:!?()\[\]{}<>\"\u201c\u201d`|/\\=*\n\r\t]+|''|``|\s[-\u2013\u2014]+\s|(?<=\w)'s?\s")
_CODE = re.compile(r"\b(?:def|class|function|fn|func|sub|public|static)\s+(\w+)\s*[(:{<]|(\w+)\s*=\s*function\b")
_COMMENT = re.compile(r"\"{3}([^\"]{3,300})|(?:#|//)\s*([^\n]{3,300})")
_NAME = re.compile(r"[A-Za-z_]\w*")
# The subject of a text's first clause, where a text has no title: `The Souris River is a river in ...`.
_FIRST_SUBJECT = re.compile(
    r"\W*(?:(?:the|an?)\s)?(.{3,60}?)\s*(?:[(,;]|\s(?:is|was|are|were|refers?|has|have|had)\s)", re.IGNORECASE
)
_LONGEST = 3
_TITLE_WORDS = 5
_SHOWN = 12


class Subject(NamedTuple):
    """A document as the writer sees it.

    Attributes:
        topic: Its title, cut to a few words, or its best phrase; words, case kept.
        phrases: Its other salient phrases, best first.
        stems: Stems of all its words.
        is_code: Whether it is source code; then the topic is the name of the first function, a verb first.
        takes_the: Whether its text puts `the` before the topic.
    """

    topic: tuple[str, ...]
    phrases: tuple[tuple[str, ...], ...]
    stems: frozenset[str]
    is_code: bool
    takes_the: bool


def subjects(documents: list[tuple[str, str]]) -> list[Subject]:
    """Return the subject of each document, given as (title, text); words rare among these documents count most."""
    bags = [Counter(stem(word) for word in _plain_words(title, text)) for title, text in documents]
    seen_in = Counter(name for bag in bags for name in bag)
    rarity = {name: math.log(1.0 + len(bags) / count) for name, count in seen_in.items()}
    return [_subject(title, text, bag, rarity) for (title, text), bag in zip(documents, bags, strict=True)]


def _subject(title: str, text: str, bag: Counter[str], rarity: dict[str, float]) -> Subject:
    code = _CODE.search(text)
    runs = _code_runs(text) if code else _runs(text)
    titled = {stem(word) for word in words(title)}
    ranked = _rank(runs, bag, rarity, titled)
    topic = _title(title)
    if not topic and code:
        topic = _function_name(code.group(1) or code.group(2))
    if not topic:
        topic = _first_subject(text)
    if not topic:
        topic = ranked[0] if ranked else tuple(words(text)[:_LONGEST])
    covered = {stem(word) for word in topic}
    others = [run for run in ranked if not {stem(word) for word in run} <= covered]
    known = " ".join(words(text)).lower()
    takes_the = f"the {' '.join(topic).lower()}" in known
    return Subject(topic, tuple(others[:_SHOWN]), frozenset(bag), bool(code), takes_the)


def _plain_words(title: str, text: str) -> list[str]:
    return [part for word in words(f"{title} {text}") for part in (split_identifier(word) or [word])]


def _title(title: str) -> tuple[str, ...]:
    """Return a title without its parentheses; a long one up to its first break."""
    plain = re.sub(r"\([^)]*\)", " ", title)
    if len(words(plain)) > _TITLE_WORDS:
        plain = next((part for part in re.split(r"\s[-\u2013\u2014|:]\s|[:|,(]", plain) if words(part)), plain)
    cut = words(plain)[:_TITLE_WORDS]
    while cut and is_function(cut[-1]):
        cut.pop()
    return tuple(cut)


def _function_name(name: str) -> tuple[str, ...]:
    """Return the name of a function as a query asks for it: `isNumeric` as *check numeric*."""
    parts = [part.lower() for part in split_identifier(name)][:_TITLE_WORDS]
    return ("check", *parts[1:]) if parts[:1] in (["is"], ["has"]) and len(parts) > 1 else tuple(parts)


def _first_subject(text: str) -> tuple[str, ...]:
    match = _FIRST_SUBJECT.match(text)
    found = tuple(words(match.group(1))) if match else ()
    return found if 0 < len(found) <= _TITLE_WORDS and not is_function(found[0]) and not _is_weak(found[0]) else ()


def _runs(text: str) -> list[tuple[str, ...]]:
    """Return runs of content words between function words, weak words and punctuation."""
    found: list[tuple[str, ...]] = []
    for part in _BREAK.split(text):
        run: list[str] = []
        for word in [*words(part), "the"]:
            # `Stefan gives Damon`: behind a name a small word is mostly a verb, and begins another run.
            after_name = bool(run) and run[-1][:1].isupper() and word[:1].islower() and word.endswith(("s", "ed"))
            if is_function(word) or after_name or word in WEAK_WORDS:
                found += _cut(run)
                run = []
            elif not _is_number(word):
                run.append(word)
    return found


def _cut(run: list[str]) -> list[tuple[str, ...]]:
    """Cut weak words off the ends of a run; of a long one take the first and the last words."""
    while run and _is_weak(run[0]):
        run = run[1:]
    while run and _is_weak(run[-1]):
        run = run[:-1]
    if len(run) > _LONGEST:
        return _cut(run[:_LONGEST]) + _cut(run[-_LONGEST:])
    return [tuple(run)] if any((len(word) > 2 and not word.isdigit()) or not word.isascii() for word in run) else []


def _is_weak(word: str) -> bool:
    lower = word.lower()
    return lower in WEAK_WORDS or lower.endswith("ly") or (word == lower and lower.endswith("ed"))


def _is_number(word: str) -> bool:
    """Tell whether a word is a number and no year."""
    return word[0].isdigit() and not any(map(str.isalpha, word)) and not (word.isdigit() and len(word) == 4)


def _code_runs(text: str) -> list[tuple[str, ...]]:
    """Return identifiers as phrases, and the words of strings and comments."""
    found = []
    for name in _NAME.findall(text):
        parts = [part.lower() for part in split_identifier(name)]
        parts = [part for part in parts if part not in CODE_WORDS and len(part) > 2 and not is_function(part)]
        if parts:
            found.append(tuple(parts[:_LONGEST]))
    for comment in _COMMENT.findall(text):
        found += [tuple(map(str.lower, run)) for run in _runs(" ".join(comment))]
    return found


def _rank(
    runs: list[tuple[str, ...]], bag: Counter[str], rarity: dict[str, float], titled: set[str]
) -> list[tuple[str, ...]]:
    """Rank distinct runs, best first: frequent here, rare elsewhere, early, of the title, of two or three words."""
    scores: dict[tuple[str, ...], float] = {}
    shown: dict[tuple[str, ...], tuple[str, ...]] = {}
    for place, run in enumerate(runs):
        key = tuple(stem(word) for word in run)
        if key in scores:
            scores[key] *= 1.15
            continue
        worth = sum(math.log1p(bag[name]) * rarity.get(name, 1.0) for name in set(key)) / math.sqrt(len(set(key)))
        length = 1.0 if len(run) > 1 or run[0][:1].isupper() else 0.6
        early = 1.0 + 0.5 / (1.0 + place / 8.0)
        scores[key] = worth * length * early * (1.2 if titled & set(key) else 1.0)
        shown[key] = run
    return [shown[key] for key in sorted(scores, key=lambda key: (-scores[key], key))]
