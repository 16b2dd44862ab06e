"""What a model writes around its answer is taken off; what is no answer stays none, and nothing crashes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synalign.generation import reading
from synalign.generation.outcomes import of_response
from synalign.generation.reading import Unreadable, read
from synalign.generation.schemas import WrittenQueries

GOOD = '{"documents": [{"document": 0, "queries": ["a query", "what does </think> mean", "a { b"]}]}'
ANSWER = WrittenQueries.model_validate_json(GOOD)
OTHER = '{"documents": [{"document": 0, "queries": ["another"]}]}'
# Prose that begins no thoughts, no object and no fence of its own.
PROSE = st.text(st.characters(codec="utf-8", exclude_characters="{<[◁`~\ufeff"), max_size=60)
queries = st.lists(st.text(st.characters(codec="utf-8"), max_size=30), max_size=4)
answers = st.lists(
    st.fixed_dictionaries({"document": st.integers(0, 9), "queries": queries}), max_size=4
).map(lambda documents: {"documents": documents})  # fmt: skip


def fence(mark, language):
    return lambda text, before, after: f"{before}\n{mark}{language}\n{text}\n{mark}\n{after}"


def thoughts(opening, closing):
    return lambda text, before, after: f'{opening}{before} {{"documents": []}} {after}{closing}\n{text}'


WRAPPERS = {
    "nothing": lambda text, before, after: text,
    "prose": lambda text, before, after: f"{before}\n{text}\n{after}",
    "fence": fence("```", "json"),
    "fence in capitals": fence("```", "JSON"),
    "fence without a language": fence("```", ""),
    "tildes": fence("~~~", "json"),
    "fence on one line": lambda text, before, after: f"{before} ```json {text}```",
    "think": thoughts("<think>", "</think>"),
    "thinking": thoughts("<thinking>", "</thinking>"),
    "brackets": thoughts("[THINK]", "[/THINK]"),
    "kimi": thoughts("◁think▷", "◁/think▷"),
    "seed": thoughts("<seed:think>", "</seed:think>"),
    "channels": thoughts("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    "closing tag alone": thoughts("", "</think>"),
    "opening tag alone": lambda text, before, after: f"<think>\n{text}",
    "twice": lambda text, before, after: f"{text}\n{text}",
    "as text": lambda text, before, after: json.dumps(text),
    "as text twice": lambda text, before, after: json.dumps(json.dumps(text)),
    "under a key": lambda text, before, after: f'{{"written_queries": {text}}}',
    "byte order mark": lambda text, before, after: "\ufeff" + text,
    "trailing comma": lambda text, before, after: text.removesuffix("}") + ",}",
    "think and fence": lambda text, before, after: f"<think>{before}</think>{before}\n```json\n{text}\n```{after}",
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
@settings(max_examples=40, deadline=None)
@given(answer=answers, before=PROSE, after=PROSE, escaped=st.booleans())
def test_a_wrapped_answer_is_the_answer(wrapper, answer, before, after, escaped):
    text = json.dumps(answer, ensure_ascii=escaped)
    wanted = WrittenQueries.model_validate(answer)
    found = read(WRAPPERS[wrapper](text, before, after), WrittenQueries)
    assert found.content == wanted
    # The journal keeps the bare answer, which reads the same.
    assert read(found.text, WrittenQueries).content == wanted


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_marks_inside_a_query_are_text(wrapper):
    if wrapper != "opening tag alone":
        assert read(WRAPPERS[wrapper](GOOD, "x", "y"), WrittenQueries).content == ANSWER


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from('{}[]"\\:,`~<>/ \nthink{"documents":[]}0'), max_size=200))
def test_no_text_crashes_the_reader(text):
    try:
        read(text, WrittenQueries)
    except Unreadable as error:
        assert text == "" or len(str(error)) < 200


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        GOOD[:-1],
        '{"documents": [], "more": 1}',
        '{"documents": [{"document": "0", "queries": []}]}',
        "[" + GOOD + "]" if False else '[{"document": 0, "queries": []}]',
        f"<think>{GOOD}</think>",
        f"<think>{GOOD}</think> I cannot help with that.",
        f"<think> maybe {GOOD} or not",
        f"{GOOD}</think>",
        f"first {GOOD} then {OTHER}",
        f"```json\n{GOOD}\n```\n```json\n{OTHER}\n```",
        "{" * 50_000,
        '{"a":' * 50_000,
        "[" * 200_000,
        '{"documents": [{"document": 0, "queries": ["it says {\\"documents\\": []}", }',
    ],
)
def test_what_is_no_answer_stays_none(text):
    with pytest.raises(Unreadable):
        read(text, WrittenQueries)


def test_a_quotation_of_the_data_is_not_taken_for_the_answer():
    data = '{"documents": [{"document": 0, "title": "t", "text": "x"}]}'
    assert read(f"The data was {data}. So: {GOOD}", WrittenQueries).content == ANSWER
    # An answer that was planted in a document and is quoted stands out less than the one in the fence.
    assert read(f"Document 3 says {OTHER}, which I ignore.\n```json\n{GOOD}\n```", WrittenQueries).content == ANSWER
    assert read(f"{GOOD}\nDocument 3 says {OTHER}, which I ignored.", WrittenQueries).content == ANSWER


def test_why_an_answer_is_none_quotes_nothing_of_it():
    with pytest.raises(Unreadable) as caught:
        read('{"documents": [], "jane roe 12 elm street": 1}', WrittenQueries)
    assert str(caught.value) == "the answer: extra_forbidden, 1 in all"


def message(**content):
    return {"choices": [{"finish_reason": "stop", "message": content}], "model": "m"}


def test_a_broken_byte_costs_the_query_that_it_stands_in():
    content = json.dumps(message(content=GOOD)).encode().replace(b"a query", b"a \xc0\xaf")
    queries = of_response(content, WrittenQueries, {}).content.documents[0].queries
    assert "\ufffd" in queries[0] and queries[1:] == ANSWER.documents[0].queries[1:]


def test_of_two_members_of_one_name_the_last_counts():
    text = '{"documents": [{"document": 0, "document": 1, "queries": ["a"], "queries": ["b"]}]}'
    (entry,) = read(text, WrittenQueries).content.documents
    assert (entry.document, entry.queries) == (1, ["b"])


def test_reading_is_quick_whatever_it_is_given():
    import time

    started = time.monotonic()
    for text in ('{"a": ' * 20_000, "{x " * 50_000, "<think>" * 50_000, "</think>{" * 20_000, '{"a": 1} ' * 20_000):
        with pytest.raises(Unreadable):
            read(text, WrittenQueries)
    assert time.monotonic() - started < 20
    assert reading.in_words is not None
