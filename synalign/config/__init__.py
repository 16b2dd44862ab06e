"""The configuration of one retriever: one YAML file, closed, bounded and described.

What a setting *is* decides where it goes. Settings that define the data (`source`, `sampling`, ...) are part of
the fingerprint of the steps that read them (`synalign.flow`), so changing one makes those steps run again. Settings
that only decide how fast or where the work runs are in `runtime`, and change no fingerprint; `RUNTIME_REASONS` says
why for each. Secrets are never here: they come from the environment (or an Airflow connection).

This package is imported by DAG files, so it imports nothing heavier than pydantic.
"""

from synalign.config.airflow import Airflow, StepPlacement
from synalign.config.alerts import Alerts, Notifier
from synalign.config.clicks import Clicks
from synalign.config.closed import IN_WORDS, SECRET, Fraction, Name, Task, Unlike
from synalign.config.encoder import Encoder
from synalign.config.experiment import Experiment
from synalign.config.generation import MOST_TEXTS_PER_LABEL, Budget, Generation, PersonalData, Prompts
from synalign.config.home import home, resolve
from synalign.config.judge import Judge
from synalign.config.pool import Pool
from synalign.config.retriever import Configuration
from synalign.config.runtime import RUNTIME_REASONS, Runtime
from synalign.config.schedule import Schedule
from synalign.config.schemes import Chosen, Scheme
from synalign.config.selection import Alignment, Checks, Evaluation, Gate, Screening
from synalign.config.source import (
    BeirSource,
    DocumentColumns,
    Documents,
    LabelledColumns,
    LabelledSource,
    LogColumns,
    LogSource,
    Source,
    UbiColumns,
    UbiQueries,
    UbiSource,
)
from synalign.config.teacher import RerankBudget, Teacher
from synalign.config.traffic import Ingest, Sampling
from synalign.config.training import MOST_NEGATIVES, Lora, Negatives, Training

__all__ = [
    "IN_WORDS",
    "MOST_NEGATIVES",
    "MOST_TEXTS_PER_LABEL",
    "RUNTIME_REASONS",
    "SECRET",
    "Airflow",
    "Alerts",
    "Alignment",
    "BeirSource",
    "Budget",
    "Checks",
    "Chosen",
    "Clicks",
    "Configuration",
    "DocumentColumns",
    "Documents",
    "Encoder",
    "Evaluation",
    "Experiment",
    "Fraction",
    "Gate",
    "Generation",
    "Ingest",
    "Judge",
    "LabelledColumns",
    "LabelledSource",
    "LogColumns",
    "LogSource",
    "Lora",
    "Name",
    "Negatives",
    "Notifier",
    "PersonalData",
    "Pool",
    "Prompts",
    "RerankBudget",
    "Runtime",
    "Sampling",
    "Schedule",
    "Scheme",
    "Screening",
    "Source",
    "StepPlacement",
    "Task",
    "Teacher",
    "Training",
    "UbiColumns",
    "UbiQueries",
    "UbiSource",
    "Unlike",
    "home",
    "resolve",
]
