"""Settings of clicks: a model needs the columns that it reads."""

from typing import Any

import pytest
from pydantic import ValidationError

from synalign.config import LogSource


def source(clicks: dict[str, Any], **columns: str) -> LogSource:
    return LogSource.model_validate(
        {"path": "log", "documents": {"path": "documents"}, "clicks": clicks, "columns": columns}
    )


@pytest.mark.parametrize(
    ("clicks", "columns", "message"),
    [
        ({"model": "position"}, {"impressions": "n"}, "clicks.model position needs columns.position"),
        ({"model": "coec"}, {"position": "p"}, "needs rows that say what was shown"),
        ({"min_dwell_seconds": 30}, {}, "needs columns.dwell"),
        ({"reformulation_seconds": 60}, {}, "needs columns.session_id"),
        (
            {"min_skips": 2},
            {"position": "p", "impressions": "n"},
            "min_skips needs columns.position, columns.session_id",
        ),
        ({"actions": []}, {}, "at least 1 item"),
        ({"max_weight": 0.5}, {}, "greater than or equal to 1"),
        ({"model": "cascade"}, {}, "'none', 'position' or 'coec'"),
    ],
)
def test_a_model_without_its_columns_is_refused(clicks: dict[str, Any], columns: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        source(clicks, **columns)


def test_with_its_columns_it_is_taken() -> None:
    assert source({"model": "position"}, position="p", action="a").clicks.actions == ("click",)
    assert source({"model": "coec"}, position="p", impressions="n").clicks.model == "coec"
