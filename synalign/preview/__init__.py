"""A few requests to the model before the first refresh: the prompts as sent, the answers, and what becomes of them.

Nothing is registered and no table stays. Answers are kept in a journal of the retriever's previews, so that the same
preview costs nothing a second time.
"""

from synalign.preview.findings import Preview
from synalign.preview.preview import preview

__all__ = ["Preview", "preview"]
