"""Synthetic distribution alignment: weights that make synthetic queries distributed like real ones."""

from synalign.alignment.diagnostics import HeldOut
from synalign.alignment.real_side import RealSide, real_side
from synalign.alignment.weights import Alignment, align

__all__ = ["Alignment", "HeldOut", "RealSide", "align", "real_side"]
