"""The embedded writer's language: measured attributes, filled templates, any script, always the same."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synalign.generation.schemas import LatentAttributes, WrittenQueries
from synalign.text.forms import form_of
from synalign.writer.language import describe, write_queries

QUESTIONS = ["what is the origin of santa claus", "how to clean a kettle", "where does the word tea come from?"]


CAT = (
    "Russian Blue",
    "The Russian Blue is a cat breed with a double coat. The silver tips give the double coat a shimmer. "
    "Some Russian Blue cats come from the port of Arkhangelsk.",
)


def written(demonstrations, *documents, wanted=4, longest=300, attributes=None):
    shown = [{"document": number, "title": title, "text": text} for number, (title, text) in enumerate(documents)]
    data = {
        "queries_per_document": wanted,
        "max_query_characters": longest,
        "attributes": describe({"demonstrations": demonstrations})["attributes"] if attributes is None else attributes,
        "demonstrations": demonstrations,
        "documents": shown,
    }
    answer = write_queries(json.loads(json.dumps(data)))
    WrittenQueries.model_validate_json(json.dumps(answer))
    return [entry["queries"] for entry in answer["documents"]]


def test_attributes_are_what_can_be_counted_by_hand():
    answer = LatentAttributes.model_validate(describe({"demonstrations": QUESTIONS}))
    seen = {attribute.name: attribute.values_seen for attribute in answer.attributes}
    assert seen["length"] == ["medium (6-9 words)", "short (3-5 words)"]
    assert seen["form"] == ["question"]
    assert seen["capitalisation"] == ["lower case"]
    assert seen["punctuation"] == ["none", "?"]
    assert seen["digits"] == ["without digits"]
    assert seen["leading words"] == ["how to", "what is", "where does"]


def test_generalised_values_are_new_ones():
    for attribute in describe({"demonstrations": QUESTIONS})["attributes"]:
        assert not set(attribute["values_seen"]) & set(attribute["values_generalised"])


def test_each_query_names_its_topic_and_another_phrase():
    (queries,) = written(QUESTIONS, CAT, wanted=6)
    assert len(queries) == len({query.lower() for query in queries}) == 6
    assert all("russian blue" in query for query in queries)
    assert all(len(query.split()) > 2 for query in queries)


def test_case_and_punctuation_follow_the_demonstrations():
    shouted, asked = ["CLEAN KETTLE", "DESCALE POT"], ["What is the origin of tea?", "Where is the port of tea?"]
    assert all(query == query.upper() for query in written(shouted, CAT)[0])
    assert all(query[0].isupper() and query.endswith("?") for query in written(asked, CAT)[0])


def test_code_is_named_by_its_function_and_habits_of_the_log_stay():
    demonstrations = ["python sort a list", "how to read file python", "python check if date is valid"]
    code = ("", "def parseUserAgent(header):\n    match = PATTERN.match(header)\n    return match.group('browser')")
    (queries,) = written(demonstrations, code, wanted=6)
    assert sum("parse user agent" in query for query in queries) >= 4
    assert sum("python" in query for query in queries) >= 4


def test_nothing_is_written_twice_and_no_demonstration_is_copied():
    demonstrations = ["russian blue double coat", "russian blue"]
    first, second = written(demonstrations, CAT, CAT, wanted=8)
    assert len({*first, *second}) == len(first) + len(second)
    assert not {*first, *second} & set(demonstrations)


def test_the_same_request_gets_the_same_answer_and_another_a_different_one():
    assert written(QUESTIONS, CAT) == written(QUESTIONS, CAT)
    assert written(QUESTIONS, CAT) != written(QUESTIONS[::-1], CAT)


@pytest.mark.parametrize(
    ("demonstration", "title", "text"),
    [
        ("如何清洗洗碗机的过滤器", "洗碗机", "洗碗机需要定期清洗过滤器。清洗前请关闭电源。"),
        ("食洗機 フィルター 掃除", "食洗機", "食洗機のフィルターは毎月掃除してください。"),
        ("วิธีทำความสะอาดเครื่องล้างจาน", "", "เครื่องล้างจานต้องทำความสะอาดทุกเดือน"),
        ("כיצד לנקות מדיח כלים", "מדיח", "יש לנקות את המסנן של המדיח מדי חודש"),
        ("как почистить фильтр", "Посудомоечная машина", "Фильтр посудомоечной машины чистят раз в месяц."),
        ("बर्तन धोने की मशीन साफ कैसे करें", "", "मशीन का फिल्टर हर महीने साफ करें।"),
        ("🤔 ???", "...", "!!! --- ***"),
        ("", "", "x"),
        ("<b>bold</b> $100 \u202e", "<i>t</i>", "{}[]()\"'`\\ \x00 \u200b"),
    ],
)
def test_every_script_gets_an_answer_of_the_schema(demonstration, title, text):
    describe({"demonstrations": [demonstration]})
    written([demonstration, demonstration + " 2"], (title, text))


@settings(max_examples=150)
@given(
    st.lists(st.text(max_size=40), min_size=1, max_size=4),
    st.lists(st.tuples(st.text(max_size=20), st.text(max_size=80)), min_size=1, max_size=3),
    st.integers(1, 40),
)
def test_any_text_gets_an_answer_within_bounds(demonstrations, documents, longest):
    for queries in written(demonstrations, *documents, wanted=3, longest=longest):
        assert len(queries) <= 3
        assert all(0 < len(query) <= longest for query in queries)


def test_attributes_of_others_change_nothing_and_do_not_crash():
    foreign = [{"name": "mood", "values_seen": ["sour"], "values_generalised": []}]
    assert written(QUESTIONS, CAT, attributes=foreign)[0]


def test_a_combination_changes_what_is_written():
    demonstrations = ["what is the origin of tea", "kettle cleaning tips", "how to clean a kettle"]

    def asked(**combination):
        data = {
            "queries_per_document": 3,
            "max_query_characters": 300,
            "attributes": [],
            "demonstrations": demonstrations,
            "documents": [{"document": 0, "title": CAT[0], "text": CAT[1], "combinations": [combination] * 3}],
        }
        return write_queries(data)["documents"][0]["queries"]

    assert all(form_of(query) == "question" for query in asked(form="question"))
    assert all(form_of(query) == "keywords" for query in asked(form="keywords"))
    assert all(query.startswith("how to") for query in asked(**{"leading words": "how to"})[:2])
    long, short = (asked(length=f"{words} words", form="keywords") for words in ("9-12", "2-3"))
    assert min(len(query.split()) for query in long) > max(len(query.split()) for query in short) >= 2
    assert len(asked(form="no such form")) == 3
