"""What a model writes around its answer is taken off; what is no answer stays none, and nothing crashes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synalign.generation import outcomes, reading
from synalign.generation.outcomes import Failure, of_completion, of_response
from synalign.generation.reading import Unreadable, read
from synalign.generation.schemas import LatentAttributes, Unusable, WrittenQueries

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


PLACES = {
    "text": message(content=GOOD),
    "parts": message(content=[{"type": "text", "text": GOOD[:9]}, {"type": "output_text", "text": GOOD[9:]}]),
    "parts with thoughts": message(content=[{"type": "thinking", "thinking": OTHER}, {"type": "text", "text": GOOD}]),
    "parts with a value": message(content=[{"type": "text", "text": {"value": GOOD}}]),
    "object": message(content=json.loads(GOOD)),
    "arguments": message(content=None, tool_calls=[{"function": {"name": "f", "arguments": GOOD}}]),
    "arguments as object": message(content="", tool_calls=[{"function": {"arguments": json.loads(GOOD)}}]),
    "function call": message(content=None, function_call={"name": "f", "arguments": GOOD}),
    "call in words": message(content='<tool_call>{"name": "f", "arguments": ' + GOOD + "}</tool_call>"),
    "thoughts": message(content="", reasoning_content=GOOD),
    "thoughts elsewhere": message(content=None, reasoning=f"Let me see. {GOOD}"),
    "content before thoughts": message(content=GOOD, reasoning_content=OTHER),
    "bad arguments": message(content=GOOD, tool_calls=[{"function": {"arguments": "{"}}]),
}


@pytest.mark.parametrize("place", PLACES)
def test_an_answer_is_found_wherever_servers_put_it(place):
    assert of_completion(PLACES[place], WrittenQueries).content == ANSWER


def test_thoughts_are_no_answer_where_there_is_content():
    with pytest.raises(Failure) as caught:
        of_completion(message(content="I would rather not.", reasoning_content=GOOD), WrittenQueries)
    assert caught.value.outcome == outcomes.INVALID_OUTPUT


def test_a_stream_that_nobody_asked_for_is_read():
    chunks = [{"model": "m", "choices": [{"delta": {"content": part}}]} for part in (GOOD[:20], GOOD[20:])]
    chunks.append({"choices": [{"delta": {}, "finish_reason": "stop"}]})
    chunks.append({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}})
    body = ": keep-alive\n\n" + "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    reply = of_response(body.encode(), WrittenQueries, {})
    assert (reply.content, reply.model, reply.tokens_in, reply.tokens_out) == (ANSWER, "m", 3, 4)
    limited = b'data: {"error": {"message": "slow down", "code": 429}}\n\n'
    with pytest.raises(Failure) as caught:
        of_response(limited, WrittenQueries, {"retry-after": "7"})
    assert (caught.value.outcome, caught.value.retry_after) == (outcomes.RATE_LIMITED, 7.0)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_body_is_read_in_its_encoding(encoding):
    content = json.dumps(message(content=GOOD.replace("a query", "é")), ensure_ascii=False).encode(encoding)
    assert of_response(content, WrittenQueries, {}).content.documents[0].queries[0] == "é"


def test_a_broken_byte_costs_the_query_that_it_stands_in():
    content = json.dumps(message(content=GOOD)).encode().replace(b"a query", b"a \xc0\xaf")
    queries = of_response(content, WrittenQueries, {}).content.documents[0].queries
    assert "\ufffd" in queries[0] and queries[1:] == ANSWER.documents[0].queries[1:]


def test_bad_items_stand_for_themselves():
    items = ["good", None, 5, True, {"a": "b"}, ["x"], "\ud800", "", "x" * 30_000]
    content = read(json.dumps({"documents": [{"document": 0, "queries": items}]}), WrittenQueries).content
    kinds = [type(query) is Unusable for query in content.documents[0].queries]
    assert kinds == [False, True, True, True, True, True, False, False, False]
    assert content.documents[0].queries[6] == "\ufffd"
    assert len(content.documents[0].queries[8]) == 20_000


def test_bad_values_of_an_attribute_are_left_out():
    attributes = [
        {"name": "form", "values_seen": ["question", None, "", "x" * 400, "half \ud800"], "values_generalised": [{}]},
        {"name": "", "values_seen": [], "values_generalised": []},
        None,
    ]
    content = read(json.dumps({"attributes": attributes}), LatentAttributes).content
    (only,) = content.attributes
    assert (only.name, only.values_seen, only.values_generalised) == ("form", ["question"], [])
    with pytest.raises(Unreadable):
        read('{"attributes": [null]}', LatentAttributes)


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
