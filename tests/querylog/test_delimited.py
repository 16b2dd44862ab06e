"""Records of delimited text: a quote that is never closed costs its own line only."""

from __future__ import annotations

import csv
import io
import random

from synalign.querylog.delimited import Looks, Record, Records, shape
from synalign.querylog.dialect import Dialect

NAMES = ("event_time", "query", "document_id")


TIME = "2026-02-28T09:00:00Z"


def records(text: str, names: tuple[str, ...] = NAMES, *, certain: bool = True) -> list[Record]:
    dialect = Dialect("a.csv", "csv", "none", "utf-8", names=names)
    looks = Looks(0, frozenset({shape(TIME) if certain else shape("kb-17")}), certain)
    blocks = iter([(text.split("\n"), {})])
    return [record for portion in Records(dialect, blocks, looks) for record in portion]


def flaws(found: list[Record]) -> list[str | None]:
    return [record.flaw for record in found]


def test_a_quote_that_is_not_closed_costs_its_own_line() -> None:
    good = "".join(f"{TIME},query {number},0\n" for number in range(500))
    for line in (f'{TIME},"a,0', f'{TIME},a,"0', f'"{TIME},a,0', f'{TIME},"a"b,0', f'{TIME},""",0', f'{TIME},"a,"b,0'):
        for before, behind in (("", good), (good, good), (good, ""), ("", good + f'{TIME},"whole",1\n'),
                               ("", good + f'{TIME},b",1\n'), ("", f'{TIME},"x\ny",1\n' + good)):  # fmt: skip
            found = records(before + line + "\n" + behind)
            broken = [record for record in found if record.flaw]
            assert [(record.flaw, record.text, record.number) for record in broken] == [
                ("unclosed_quote", line, before.count("\n") + 1)
            ], (line, behind[-40:])
            assert len(found) - 1 == (before + behind).count("\n") - behind.count("x\ny")


def test_quoted_fields_over_several_lines_are_whole_as_python_reads_them() -> None:
    draw = random.Random(3)
    pieces = ["a", "two words", "comma, here", 'a "quote"', "line\nbreak", "\n\n", "", " ", "é", "2026", "x,y,z\nu,v,w"]
    rows = [[TIME, draw.choice(pieces) + draw.choice(pieces), str(number)] for number in range(2000)]
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    assert [record.fields for record in records(stream.getvalue())] == rows


def test_documents_may_have_lines_that_look_like_documents() -> None:
    text = "covid-19, flu, and colds\nkb-17, kb-18, and others\nthe end"
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([["kb-1", "t", text], ["kb-2", "t", "x"]])
    found = records(stream.getvalue(), ("id", "title", "text"), certain=False)
    assert [record.fields and record.fields[2] for record in found] == [text, "x"]
    many = "".join(f"kb-{number},t,x\n" for number in range(50))
    found = records(f'kb-0,t,"x\n{many}kb-99,t,y"\n', ("id", "title", "text"), certain=False)
    assert flaws(found) == ["unclosed_quote", *[None] * 51]


def test_a_million_quotes_that_are_not_closed_are_read_in_time() -> None:
    found = records(f'{TIME},"a,0\n' * 20_000)
    assert set(flaws(found)) == {"unclosed_quote"}
    assert len(found) == 20_000
