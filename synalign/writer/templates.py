"""Templates induced from real queries: the words of form stay, runs of content words become slots.

`what is the origin of santa claus` becomes `what is the origin of [1]`. A content word that the target document knows
as well stays where it is. Two slots at most are kept, the first and the last; one takes the document's topic, the other
a phrase of its text. A little English grammar then fixes what a slot has broken.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from synalign.text.words import (
    AUXILIARIES,
    GENERAL_VERBS,
    LIGHT_VERBS,
    PREPOSITIONS,
    PRONOUNS,
    QUESTION_WORDS,
    RELATIONS,
    is_function,
    stem,
    words,
)
from synalign.writer.phrases import Subject

SLOT = "\0"
_JOINS_PART_TO_WHOLE = frozenset({"of", "in", "at", "from", "on", "for", "by"})
_BEFORE_INFINITIVE = QUESTION_WORDS | {"way", "ways"}
_JOINTS = PREPOSITIONS | AUXILIARIES | {"a", "an", "the", "and", "or", "vs", "my", "your", "their", "his", "her"}
# How a question with do, does or did ends, now that its verb has gone with the slot.
_ENDINGS = {
    "when did": "begin", "when does": "start", "when do": "start",
    "where did": "come from", "where does": "come from", "where do": "come from",
    "how did": "come about", "how does": "work", "how do": "work",
    "why did": "happen", "why does": "happen", "why do": "happen",
    "what did": "do", "what does": "mean", "what do": "mean",
}  # fmt: skip
_PLURAL_OF = {"is": "are", "was": "were", "does": "do"}
_SINGULAR_OF = {plural: singular for singular, plural in _PLURAL_OF.items()}


class Filling(NamedTuple):
    """The contents for the slots of a template.

    Attributes:
        subject: The target document.
        phrases: Phrases of it, the preferred one first.
        joined: Whether a single slot reads `phrase of topic` rather than `topic phrase`.
    """

    subject: Subject
    phrases: tuple[tuple[str, ...], ...]
    joined: bool


def shared_words(demonstrations: list[str]) -> frozenset[str]:
    """Return the stem of the one content word that most demonstrations begin or end with: a habit of the log.

    Several words that most of them share are what this batch happens to be about; then there is no habit.

    Examples:
        >>> sorted(shared_words(["python sort list", "read a file python", "python dict to json"]))
        ['python']
        >>> sorted(shared_words(["rice cooker wifi", "rice cooker reset", "rice cooker app"]))
        []
    """
    least = max(3, 0.6 * len(demonstrations))
    plain = [[word.lower() for word in words(query) if not is_function(word)] for query in demonstrations]
    content = [[stem(word) for word in found if word not in GENERAL_VERBS] for found in plain]
    anywhere = Counter(name for names in content for name in set(names))
    common = [name for name, count in anywhere.items() if count >= least]
    outside = sum(common == [name] for names in content for name in {*names[:1], *names[-1:]})
    return frozenset(common) if len(common) == 1 and outside >= least else frozenset()


def fill(demonstration: str, filling: Filling, shared: frozenset[str]) -> list[str]:
    """Return the words of a query with the demonstration's form and the document's content."""
    subject, tokens = filling.subject, words(demonstration)
    shared = shared - {stem(word) for word in subject.topic}
    template = _template(tokens, subject, shared)
    slots = template.count(SLOT)
    kept = {stem(token) for token in template if token != SLOT}
    topic = tuple(word for word in subject.topic if stem(word) not in kept) or subject.topic
    spare = max(1, len(tokens) - len(template) + slots - len(topic))
    phrase = _phrase(filling.phrases, kept | {stem(word) for word in topic}, spare)
    if slots == 2:
        parts = _arrange(template, list(topic), phrase, filling)
    else:
        # Bare keywords take no `of`.
        parts = [_single(list(topic), phrase, filling, filling.joined and any(map(is_function, template)))]
    filled: list[str] = []
    for token in template:
        if token == SLOT:
            filled += _fitting(filled, parts.pop(0), subject)
        else:
            filled.append(token)
    return filled if subject.is_code else _fix_grammar(filled, template)


def _template(tokens: list[str], subject: Subject, shared: frozenset[str]) -> list[str]:
    """Return the words that stay, and one or two slots."""
    marked: list[str] = []
    for place, token in enumerate(tokens):
        before = tokens[place - 1].lower() if place else ""
        if _stays(token, before, subject, shared):
            marked.append(token)
        elif before == "to" and tokens[place - 2].lower() in _BEFORE_INFINITIVE and not subject.is_code:
            marked.append("find")
        elif not marked or marked[-1] != SLOT:
            marked.append(SLOT)
    if SLOT not in marked:
        marked = _without_topic(tokens, shared)
    return _two_slots(marked)


def _stays(token: str, before: str, subject: Subject, shared: frozenset[str]) -> bool:
    lower = token.lower()
    if is_function(token) or lower in RELATIONS or lower in LIGHT_VERBS or stem(token) in shared:
        return True
    if stem(token) in {stem(word) for word in subject.topic}:
        # The topic comes whole, in a slot.
        return False
    if lower in GENERAL_VERBS and (before == "to" or before in PRONOUNS):
        # The name of a function brings a verb of its own.
        return not subject.is_code
    return not subject.is_code and len(token) > 3 and stem(token) in subject.stems


def _without_topic(tokens: list[str], shared: frozenset[str]) -> list[str]:
    """Return the template of a query whose every word would stay: all its content becomes slots."""
    marked: list[str] = []
    for token in tokens:
        if is_function(token) or stem(token) in shared:
            marked.append(token)
        elif not marked or marked[-1] != SLOT:
            marked.append(SLOT)
    return marked if SLOT in marked else [*marked, SLOT]


def _two_slots(marked: list[str]) -> list[str]:
    """Keep the first and the last slot; of the words of form between them those that lead to the last."""
    places = [place for place, token in enumerate(marked) if token == SLOT]
    first, last = places[0], places[-1]
    if first == last:
        return marked
    start = last
    while start - 1 > first and last - start < 3 and marked[start - 1].lower() in _JOINTS:
        start -= 1
    content = [
        token
        for token, after in zip(marked[first + 1 : start], marked[first + 2 : start + 1], strict=True)
        if token != SLOT and (not is_function(token) or (token == "to" and after != SLOT and not is_function(after)))
    ]
    return [*marked[: first + 1], *content, *marked[start:last], SLOT, *marked[last + 1 :]]


def _phrase(phrases: tuple[tuple[str, ...], ...], taken: set[str], spare: int) -> list[str]:
    """Return the first phrase that is all new, or else the new words of the first; no longer than fits."""
    new = [[word for word in phrase if stem(word) not in taken] for phrase in phrases]
    whole = [left for left, phrase in zip(new, phrases, strict=True) if len(left) == len(phrase)]
    chosen: list[str] = next(filter(None, whole + new), [])
    return chosen[-max(2, min(spare, 3)) :]


def _arrange(template: list[str], topic: list[str], phrase: list[str], filling: Filling) -> list[list[str]]:
    """Arrange topic and phrase in two slots: a part stands before `of`, the whole behind it."""
    last = len(template) - 1 - template[::-1].index(SLOT)
    joint = template[last - 1].lower()
    if joint in ("the", "a", "an") and last > 1:
        joint = template[last - 2].lower()
    if phrase and (joint in _JOINS_PART_TO_WHOLE or joint in AUXILIARIES) and not filling.subject.is_code:
        return [phrase, topic]
    return [topic, phrase]


def _single(topic: list[str], phrase: list[str], filling: Filling, joined: bool) -> list[str]:
    if not phrase:
        return topic
    if joined and not filling.subject.is_code:
        return [*phrase, "of", *(["the"] if filling.subject.takes_the else []), *topic]
    return [*topic, *phrase]


def _fitting(before: list[str], part: list[str], subject: Subject) -> list[str]:
    """Return a part without the article that stands there already."""
    if not before or before[-1].lower() not in ("the", "a", "an"):
        return part
    if part and part[0].lower() in ("the", "a", "an"):
        return part[1:]
    if subject.is_code or (tuple(part) == subject.topic and not subject.takes_the):
        # A name takes no article: `the coat of [the] Russian Blue`.
        before.pop()
    return part


def _fix_grammar(filled: list[str], template: list[str]) -> list[str]:
    """Fix the grammar of an English question: its auxiliary, its verb, its number, a preposition left at the end."""
    lower = [word.lower() for word in filled]
    tail = template[len(template) - template[::-1].index(SLOT) :]
    if tail and all(map(is_function, tail)) and not (tail == ["have"] and {"do", "does", "did"} & set(lower)):
        # What is left of a verb phrase whose verb went with the slot.
        filled, lower = filled[: -len(tail)], lower[: -len(tail)]
    if not lower or lower[0] not in QUESTION_WORDS:
        return _agree(filled)
    if not AUXILIARIES & set(lower) and lower[0] in ("what", "who", "where", "when", "why") and "to" not in lower[:2]:
        return _agree([filled[0], "is", *filled[1:]])
    verb_follows = any(token != SLOT and not is_function(token) for token in template[2:]) or lower[-1] == "have"
    ending = _ENDINGS.get(" ".join(lower[:2]))
    if ending and not verb_follows and not (len(lower) > 2 and lower[2] in PRONOUNS):
        return _agree([*filled, *ending.split()])
    return _agree(filled)


def _agree(filled: list[str]) -> list[str]:
    """Make `is` or `are` agree with the noun that follows, and `a` or `an` with its sound."""
    fixed = list(filled)
    for place, word in enumerate(fixed[:-1]):
        after = fixed[place + 1]
        if word.lower() in ("a", "an"):
            fixed[place] = "an" if after[:1].lower() in "aeiou" else "a"
        if word in _PLURAL_OF or word in _SINGULAR_OF:
            noun = _noun(fixed[place + 1 :])
            plural = noun.endswith("s") and not noun.endswith(("ss", "us", "is", "'s"))
            if noun:
                fixed[place] = (_PLURAL_OF if plural else _SINGULAR_OF).get(word, word)
    return fixed


def _noun(following: list[str]) -> str:
    """Return the last word of the noun phrase that begins here, past an article."""
    phrase: list[str] = []
    for word in following:
        if word.lower() in PRONOUNS:
            return ""
        if is_function(word):
            if phrase:
                break
            continue
        phrase.append(word.lower())
    return phrase[-1] if phrase else ""
