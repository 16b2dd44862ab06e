"""Training sets as other trainers read them: one file for each format, `formats` has the table of them.

A set is read in parts and written in parts, to a folder or to object storage; what a format has no place for, its card
says.
"""

from synalign.export.formats import FORMATS, export
from synalign.export.layout import Options

__all__ = ["FORMATS", "Options", "export"]
