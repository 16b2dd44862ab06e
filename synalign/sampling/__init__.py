"""Exploration-aware sampling: which real queries to show a language model next. Arrays in, arrays out."""

from synalign.sampling.demonstrations import LengthScaleWarning, Selection, sample_demonstrations

__all__ = ["LengthScaleWarning", "Selection", "sample_demonstrations"]
