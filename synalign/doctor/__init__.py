"""Whether a machine and the services it is pointed at are ready for a refresh: `synalign doctor`."""

from synalign.doctor.examination import CHECKS, examine
from synalign.doctor.finding import Case, Finding, Skipped

__all__ = ["CHECKS", "Case", "Finding", "Skipped", "examine"]
