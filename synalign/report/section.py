"""One section of a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Section(NamedTuple):
    """What a section shows, and with which template.

    Attributes:
        id: Its anchor in the page.
        title: Its heading, and its name in the navigation.
        template: The file under `templates/` that shows it.
        content: What the template gets; text in it is escaped.
    """

    id: str
    title: str
    template: str
    content: Mapping[str, Any]
