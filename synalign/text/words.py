"""Word lists of the embedded writer and how it cuts text into words. English is known best; any script works."""

from __future__ import annotations

import re
import unicodedata


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


QUESTION_WORDS = _set("what who whom whose which when where why how whats whos wheres hows")
AUXILIARIES = _set(
    "is are was were am be been do does did can could will would should shall may might must has have had"
)
PREPOSITIONS = _set("of in on for to from with by at into about between during over under after before")
PRONOUNS = _set("i you we they he she it one me my your our their his her its us them")
FUNCTION_WORDS = (
    QUESTION_WORDS
    | AUXILIARIES
    | PREPOSITIONS
    | PRONOUNS
    | _set(
        "a an the and or but nor if then than that this these those there here as so such not no yes through "
        "against among across around per via within without upon off out up down while because since until "
        "although though each every all any both few more most other another some many much only own same too "
        "behind below above near "
        "very just also either neither who's what's it's don't doesn't didn't can't won't isn't aren't wasn't "
        "let lets being having doing un una el la los las de del y en que por con para como le les des et du "
        "au aux dans pour sur est une der die das und ist ein eine zu im mit von den dem auf il lo gli di e "
        "che per non o os um uma do da em com"
    )
)
# Nouns that queries ask about a thing with; they are part of a form, not of a topic.
RELATIONS = _set(
    "kind kinds type types difference meaning purpose role function functions definition name origin "
    "cause causes effect effects example examples way best main"
)
# Verbs and participles that ask rather than name: they stay where a query has them.
LIGHT_VERBS = _set(
    "get gets got come comes came go goes start starts begin begins end ends mean means happen happens "
    "work works located found called named based born live lives happened started begun become became use "
    "uses cost costs"
)
# Verbs general enough to be said of anything.
GENERAL_VERBS = _set(
    "get find make use know see change check add remove set create read write print return show call "
    "define build run test convert determine calculate choose clean install fix replace reset update"
)
# Content words that make a poor beginning or end of a phrase.
WEAK_WORDS = _set(
    "said made make makes used use uses using known called became become becomes including include "
    "includes included may also one two three first second new many several various however often usually "
    "well within based found given give gives take takes took taken refer refers referred considered "
    "began begins begin followed following due time times year years part later early still even ever "
    "never another according around like must set get put add added held shows showed shown part original "
    "different certain general common number large small long high low good great major main main order "
    "case cases example result results way ways thing things people include came come comes went go goes "
    "going won left right next last end ended ends see seen wrote written writes write got getting found "
    "finds find leave leaves left flows flow rises rise walks tells tell told shouts loves drives runs "
    "run lies lie stand stands holds hold kept keep keeps tries tried turns turn moves move meets met "
    "remaining similar enormous except himself herself itself throughout together finally wherein whereas "
    "whose allows allow allowed provides provide provided contains contain contained means mean meaning "
    "played plays play appears appeared appear occurs occur occurred remains remained remain leads led "
    "lead "
    "needs need joins join reports report cleans care shows show longer saves save closes close arrive arrives s"
)
CODE_WORDS = _set(
    "def self cls return if else elif import from none null true false for in not and or try except raise "
    "class lambda with as while assert pass yield print isinstance args kwargs init str int len bool "
    "float object dict list tuple function var let const new public private static void this throw catch "
    "finally end then do super type async await global del is range obj val value result ret res tmp data "
    "param params arg idx name"
)

UNSPACED = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    r"\U00020000-\U0003ffff"
)
"""Scripts without spaces between words, as a class of a regular expression: Thai and Lao, Burmese, Khmer, Japanese and
Chinese. Their runs are cut into pieces of a few characters."""

_UNSPACED_RUN = re.compile(f"[{UNSPACED}]+")
_WORD = re.compile(rf"[{UNSPACED}]{{1,4}}|(?:(?![{UNSPACED}])[\w\u0300-\u036f])+(?:['\u2019.\-+#][\w]+)*[+#]*")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|_+")


def words(text: str) -> list[str]:
    """Return the words of a text, case kept.

    Examples:
        >>> words("how to convert C++ to F# ?")
        ['how', 'to', 'convert', 'C++', 'to', 'F#']
    """
    return _WORD.findall(unicodedata.normalize("NFKC", text))


def unspaced(text: str) -> bool:
    """Tell whether most of a text is in a script without spaces between words."""
    letters = sum(map(str.isalpha, text))
    return letters > 0 and sum(map(len, _UNSPACED_RUN.findall(text))) * 2 > letters


def is_function(word: str) -> bool:
    """Tell whether a word carries form rather than topic."""
    return word.lower() in FUNCTION_WORDS


def split_identifier(name: str) -> list[str]:
    """Return the words of a camelCase or snake_case identifier.

    Examples:
        >>> split_identifier("_formatJSONData2")
        ['format', 'JSON', 'Data2']
    """
    return [part for part in _CAMEL.split(name) if part]


def stem(word: str) -> str:
    """Return a crude stem: enough to see `filmed` and `filming` as the same.

    Examples:
        >>> stem("filmed") == stem("Filming")
        True
    """
    lower = word.lower()
    for ending in ("ations", "ation", "ings", "ing", "edly", "ied", "ies", "ed", "es", "ly", "s"):
        if lower.endswith(ending) and len(lower) - len(ending) >= 3:
            return lower[: -len(ending)]
    return lower
