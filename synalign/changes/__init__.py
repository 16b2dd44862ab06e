"""What changed between two training sets: traffic, rows, weights, figures, settings.

`compare` finds it; `terminal` and `page` show it.
"""

from synalign.changes.compare import Changes, compare
from synalign.changes.side import Side, side

__all__ = ["Changes", "Side", "compare", "side"]
