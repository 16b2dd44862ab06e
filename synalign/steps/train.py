"""A training from beginning to end, for `synalign train` and for `jobs/train.py`: train, compare, register."""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import shutil
import tempfile
import time
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from synalign import config, retriever_files
from synalign.embedding.encoder import revision_of, settings_of
from synalign.errors import RegistryError, RunError, SetupError
from synalign.experiment.drafts import draft
from synalign.experiment.plan import TrainingSet
from synalign.registry import lookup, names
from synalign.run.manifests import canonical
from synalign.steps.job import conclude

if TYPE_CHECKING:
    from collections.abc import Mapping

    from synalign.registry.record import Served
    from synalign.run import Run

log = logging.getLogger("synalign")


class Options(NamedTuple):
    """What the command line adds to the configuration.

    Attributes:
        steps: Batches; None: as `training` says.
        device: `auto`, `cpu` or `cuda`.
        register: Whether the model becomes a version in MLflow.
    """

    steps: int | None = None
    device: str = "auto"
    register: bool = True


class Done(NamedTuple):
    """A training that has ended.

    Attributes:
        figures: What came of it, as plain data.
        location: Where the model is; None: nothing is better than the model before training, so none was kept.
        version: Of the registered model; None: it is not registered.
        reused: Whether it was trained before, with the same set and settings.
        url: Its page in MLflow, where there is a server.
    """

    figures: dict[str, Any]
    location: str | None
    version: str | None = None
    reused: bool = False
    url: str | None = None


def main() -> None:
    """Train for `jobs/train.py`, on the version of the training set that the alias `current` names."""
    parser = argparse.ArgumentParser(description="Train a retriever on its current training set, and register it.")
    parser.add_argument("--config", required=True, help="the retriever's YAML file")
    arguments = parser.parse_args()

    def work() -> dict[str, Any]:
        configuration = retriever_files.load(arguments.config)
        run = lookup.find(f"{configuration.retriever}@current")
        return summary(trained(run, configuration, Options()))

    conclude(work)


def summary(done: Done) -> dict[str, Any]:
    """Return what Airflow keeps of a training: no texts of users."""
    figures = done.figures
    metrics = {
        **{name: figures[name] for name in ("loss", "steps", "step", "seconds", "training_set")},
        "gate": figures["gate"], "location": done.location, "version": done.version, "url": done.url,
        "test": {name: {"ndcg_at_10": values["ndcg_at_10"]} for name, values in figures["test"].items()
                 if "ndcg_at_10" in values},
    }  # fmt: skip
    return {"step": "train", "reused": done.reused, "metrics": metrics}


def find(reference: str) -> tuple[Run, config.Configuration]:
    """Return the run that a reference names, and the configuration that says how to train on it.

    That is the one of the YAML file where the reference is a file, else the one that the run was made with.

    Raises:
        RunError: There is no such run.
        RegistryError: There is no such version.
        ConfigurationError: The YAML file is wrong.
    """
    run = lookup.find(reference)
    named = Path(reference).expanduser()
    return run, retriever_files.load(named) if named.is_file() else run.configuration


def trained(run: Run, configuration: config.Configuration, options: Options) -> Done:
    """Train a retriever on a run's training set, compare it on real test queries, and register it.

    Of the same set, settings and seed there is one version: it is found and given back.

    Args:
        run: With a finished training set.
        configuration: Whose `training`, `encoder`, `evaluation.gate` and `seed` hold.
        options: See `Options`.

    Raises:
        ArgumentError: The training left the finite numbers.
        InputError: The set has nothing to train on, or no scores to distil.
        RegistryError: MLflow cannot be reached or refuses.
        RunError: The training set is not finished, or not registered.
        SetupError: A package, the GPU or the model is missing.
    """
    from synalign.embedding.device import device_of
    from synalign.registry import trained as registered
    from synalign.registry.connection import tracking_uri
    from synalign.training.fit import check_packages

    check_packages(configuration.training)
    device, settings = device_of(options.device), _settings(configuration, options)
    began = _beginning(run, configuration, settings)
    retriever, uri = run.configuration.retriever, tracking_uri()
    key = hashlib.sha256(canonical({name: began[name] for name in ("training_set", "settings", "base", "seed")}))
    if options.register:
        if began["training_set"]["version"] is None:
            raise RunError(
                f"the training set of {run.folder} is no version in MLflow.",
                cause="its refresh did not come to its end",
                remedy="finish it (`synalign refresh`), or train with --no-register",
            )
        known = registered.find(retriever, key.hexdigest(), uri)
        if known is not None:
            log.info("train: trained before, with the same set and settings: version %s", known.version)
            return Done(known.figures, known.uri, known.version, reused=True, url=known.url)
    model, figures, serving = _fitted(run, configuration, settings, began, device, uri)
    if not figures["step"]:
        return Done(figures, None)
    if not options.register:
        return Done(figures, str(_saved(model, retriever, key.hexdigest()[:16])))
    plan = partial(_plan, figures, serving)
    made = registered.register(retriever, key.hexdigest(), model, figures, plan, uri)
    return Done(figures, made.uri, made.version, url=made.url)


def _settings(configuration: config.Configuration, options: Options) -> config.Training:
    """Return the settings in force, with nothing left to be looked up elsewhere."""
    settings, encoder = configuration.training, configuration.encoder
    return settings.model_copy(update={
        "steps": settings.steps if options.steps is None else options.steps,
        "model": settings.model or encoder.model,
        "max_tokens": settings.max_tokens or encoder.max_tokens,
    })  # fmt: skip


def _beginning(run: Run, configuration: config.Configuration, settings: config.Training) -> dict[str, Any]:
    """Return what is known before training: what is trained, on what, and how."""
    digest = run.require("assemble")["tables"]["training_set"]["digest"]
    release = (run.manifest("register") or {}).get("metrics", {})
    version = release.get("version") if release.get("digest") == digest else None
    retriever = run.configuration.retriever
    model = release.get("model") or names.training_set(retriever, run.configuration.registry.prefix)
    return {
        "retriever": retriever,
        "owner": configuration.owner,
        "interval": run.interval.name,
        "training_set": {"model": model, "version": version, "digest": digest},
        "base": {
            "model": settings.model,
            "revision": revision_of(settings_of(str(settings.model), configuration.encoder)),
        },
        # Whether a DAG trains by itself changes no model; what was trained before there was LoRA is found again.
        "settings": settings.model_dump(mode="json", exclude={"trigger"} if settings.lora else {"trigger", "lora"}),
        "seed": configuration.seed,
    }


def _fitted(
    run: Run, configuration: config.Configuration, settings: config.Training, began: Mapping[str, Any], device: str,
    uri: str,
) -> tuple[Any, dict[str, Any], Served | None]:  # fmt: skip
    """Train, and compare with what was there; returns the model, all figures, and what serves."""
    from synalign.registry.serving import champion
    from synalign.training import corpus as corpora
    from synalign.training.comparison import CHAMPION, NEW, ZERO_SHOT, compare
    from synalign.training.fit import fit
    from synalign.training.loss import lesson
    from synalign.training.retriever import retriever, scores

    began_at = time.monotonic()
    serving = champion(run.configuration.retriever, uri)
    learnt, corpus = lesson(run, settings), corpora.read(run)
    test = corpus.judged["test"]
    model = retriever(str(settings.model), int(settings.max_tokens or 0), device, run.configuration.encoder)
    log.info("train: %s, %d rows, from %s on %s", learnt.loss, len(learnt.dataset), settings.model, device)
    scored = {ZERO_SHOT: scores(model, corpus.documents, test)}
    fitted = fit(model, learnt, corpus, settings, configuration.seed)
    unlike = ""
    if serving is not None:
        try:
            with tempfile.TemporaryDirectory(prefix="synalign-champion-") as folder:
                other = _champion(serving, Path(folder), settings, device, uri)
            scored[CHAMPION] = scores(other, corpus.documents, test)
        except (RegistryError, SetupError) as error:
            unlike = error.message
            log.warning("train: not compared with the champion: %s", unlike)
    scored[NEW] = scores(model, corpus.documents, test)
    return model, {
        **began, **fitted._asdict(), "validation": {str(step): score for step, score in fitted.validation.items()},
        "loss": learnt.loss, "device": device, "rows": len(learnt.dataset),
        "documents_ranked": len(corpus.documents),
        "queries": {split: len(judged.queries) for split, judged in corpus.judged.items()},
        "champion": None if serving is None else {
            "version": serving.version, "model_uri": serving.model_uri, "not_compared": unlike,
        },
        **compare(scored, configuration.evaluation.gate), "seconds": round(time.monotonic() - began_at, 1),
    }, serving  # fmt: skip


def _champion(serving: Served, folder: Path, settings: config.Training, device: str, uri: str) -> Any:
    from synalign.registry.served_model import fetch
    from synalign.training.retriever import retriever

    # Made absolute: a relative path of a configuration starts elsewhere.
    return retriever(str(fetch(serving.model_uri, folder, uri).resolve()), int(settings.max_tokens or 0), device)


def _saved(model: Any, retriever: str, name: str) -> Path:
    """Save a model that is not registered in a folder of its own; the same again replaces it."""
    place = config.home() / "trained" / retriever / name
    place.parent.mkdir(parents=True, exist_ok=True)
    draft_folder = place.with_name(f".{name}.{os.getpid()}")
    try:
        model.save_pretrained(str(draft_folder), create_model_card=False)
        shutil.rmtree(place, ignore_errors=True)
        draft_folder.rename(place)
    except BaseException:
        with suppress(OSError):
            shutil.rmtree(draft_folder)
        raise
    return place


def _plan(figures: Mapping[str, Any], serving: Served | None, model_uri: str) -> str:
    """Return a draft of the A/B test that would try this retriever."""
    trained_on = serving.training_set if serving else None
    start: date = datetime.now(UTC).date() + timedelta(days=1)
    return draft(
        figures["retriever"], TrainingSet(**figures["training_set"]), start, owner=figures["owner"],
        control_uri=serving.model_uri if serving else None,
        control_set=TrainingSet(**trained_on) if trained_on else None, treatment_uri=model_uri,
    )  # fmt: skip
