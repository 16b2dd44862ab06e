"""Everything that defines the refresh of one retriever."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator

from synalign.config.airflow import Airflow
from synalign.config.alerts import Alerts
from synalign.config.closed import Closed, Name, Task
from synalign.config.encoder import Encoder
from synalign.config.experiment import Experiment
from synalign.config.generation import MOST_TEXTS_PER_LABEL, Generation
from synalign.config.output import Output
from synalign.config.pool import Pool
from synalign.config.registry import Registry
from synalign.config.runtime import Runtime
from synalign.config.schedule import Schedule
from synalign.config.selection import Alignment, Checks, Evaluation, Screening
from synalign.config.source import Source
from synalign.config.teacher import Teacher
from synalign.config.traffic import Ingest, Sampling
from synalign.config.training import Negatives, Training


class Configuration(Closed):
    """Everything that defines the refresh of one retriever."""

    retriever: Name = Field(description="Names the run folder, the DAG and the registered model.", examples=["shop"])
    description: str = Field("", description="What it retrieves, in a sentence; Airflow and MLflow show it.")
    owner: str = Field("search", description="The team that Airflow shows as the owner of its DAGs.")
    task: Task = Field("retrieval", description="Write queries for documents, or texts for labels.")
    schedule: Schedule
    source: Source = Field(discriminator="kind")
    ingest: Ingest = Ingest()
    encoder: Encoder = Encoder()
    pool: Pool = Pool()
    sampling: Sampling = Sampling()
    generation: Generation = Generation()
    screening: Screening = Screening()
    alignment: Alignment = Alignment()
    negatives: Negatives = Negatives()
    teacher: Teacher = Teacher()
    training: Training = Training()
    evaluation: Evaluation = Evaluation()
    output: Output = Output()
    checks: Checks = Checks()
    experiment: Experiment | None = Field(None, description="null: no DAG reads experiments.")
    registry: Registry = Registry()
    alerts: Alerts = Alerts()
    airflow: Airflow = Airflow()
    runtime: Runtime = Runtime()
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Seed of everything random.")

    @field_validator("source", mode="before")
    @classmethod
    def _tables_hold_a_log(cls, source: Any) -> Any:
        # Where the rows are is said by `path`, `table` or `sql`; some say it here too.
        other_words = isinstance(source, dict) and source.get("kind") in ("table", "query")
        return {**source, "kind": "log"} if other_words else source

    @field_validator("source")
    @classmethod
    def _source_fits_task(cls, source: Source, known: ValidationInfo) -> Source:
        task = known.data.get("task")
        if task is not None and (task == "classification") != (source.kind == "labelled"):
            raise ValueError(
                f"kind must be labelled for task classification, log, ubi or beir for task retrieval, is {source.kind} "
                f"for {task}"
            )
        return source

    @field_validator("sampling")
    @classmethod
    def _balance_needs_labels(cls, sampling: Sampling, known: ValidationInfo) -> Sampling:
        if sampling.label_balance == "equal" and known.data.get("task") == "retrieval":
            raise ValueError("label_balance equal is for task classification; queries for documents have no labels")
        return sampling

    @field_validator("teacher")
    @classmethod
    def _judge_is_a_language_model(cls, teacher: Teacher, known: ValidationInfo) -> Teacher:
        screening, generation = known.data.get("screening"), known.data.get("generation")
        if teacher.kind != "judge" or screening is None or generation is None:
            return teacher
        if screening.judge is None and generation.endpoint == "embedded":
            raise ValueError(
                "kind judge needs a model that can grade: give screening.judge its endpoint and model, or "
                "generation.endpoint another than embedded, whose writer cannot judge"
            )
        return teacher

    @field_validator("evaluation")
    @classmethod
    def _weights_are_here(cls, evaluation: Evaluation, known: ValidationInfo) -> Evaluation:
        encoder = known.data.get("encoder")
        if encoder is not None and encoder.endpoint is not None and evaluation.retriever in ("static", "full"):
            raise ValueError(
                f"retriever must be adapter or none with encoder.endpoint: {evaluation.retriever} begins with the "
                "encoder's weights, which are not here"
            )
        return evaluation

    @field_validator("training")
    @classmethod
    def _training_begins_with_weights(cls, training: Training, known: ValidationInfo) -> Training:
        encoder = known.data.get("encoder")
        no_weights = encoder is not None and encoder.endpoint is not None and training.model is None
        if no_weights and training.trigger != "manual":
            raise ValueError(
                "model must be given for trigger training_set with encoder.endpoint: the folder of the model to begin "
                "with, as the encoder's weights are not here"
            )
        return training

    @field_validator("runtime")
    @classmethod
    def _paid_vectors_are_kept(cls, runtime: Runtime, known: ValidationInfo) -> Runtime:
        encoder = known.data.get("encoder")
        if encoder is not None and encoder.endpoint is not None and not runtime.embedding_cache:
            raise ValueError("embedding_cache must be true with encoder.endpoint: vectors that were paid for are there")
        return runtime

    @field_validator("airflow")
    @classmethod
    def _keys_have_variables(cls, airflow: Airflow, known: ValidationInfo) -> Airflow:
        screening = known.data.get("screening")
        sections = {
            "model": ("generation", known.data.get("generation")),
            "judge": ("screening.judge", screening.judge if screening is not None else None),
            "teacher": ("teacher", known.data.get("teacher")),
            "encoder": ("encoder", known.data.get("encoder")),
        }
        for purpose in airflow.connections:
            name, section = sections.get(purpose, ("", None))
            if not name or (section is None and purpose != "judge") or (purpose == "judge" and screening is None):
                # No variables are asked for, or the section is wrong, which is said elsewhere.
                continue
            if not (getattr(section, "api_key_variable", None) or getattr(section, "headers_variable", None)):
                raise ValueError(f"connections.{purpose} needs {name}.api_key_variable, by which the job takes the key")
        return airflow

    # Texts of the files under `generation.prompts`, read with the YAML file: one wording for the whole of a run.
    _templates: dict[str, str] = PrivateAttr(default_factory=dict)

    @property
    def templates(self) -> Mapping[str, str]:
        """Texts of the retriever's own prompt templates by kind of request; see `synalign.prompts.templates`."""
        return self._templates

    def with_templates(self, texts: Mapping[str, str]) -> Configuration:
        """Return a copy of this configuration with the texts of its own prompt templates."""
        copy = self.model_copy()
        copy._templates = dict(texts)
        return copy

    @property
    def negatives_per_pair(self) -> int:
        """Hard negatives that each train pair gets; none for classification, where nobody learns from them."""
        return self.negatives.per_pair if self.task == "retrieval" else 0

    @property
    def queries_per_target(self) -> int:
        """Queries asked for per document; for a label, which is a batch's only one, as many as for all documents."""
        settings = self.generation
        if self.task == "retrieval":
            return settings.queries_per_document
        return min(settings.documents_per_batch * settings.queries_per_document, MOST_TEXTS_PER_LABEL)
