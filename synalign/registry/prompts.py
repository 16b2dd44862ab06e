"""Prompt templates in MLflow's prompt registry: a version for each wording, found again by its digest.

`<retriever>-write-prompt` is the prompt of the request *write*. Its versions are chat prompts with MLflow's own blanks
(`{{count}}` for our `$count`), so that `mlflow.genai.load_prompt` fills one; the tag `synalign.digest` names the file.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from mlflow import MlflowClient
from mlflow.entities.model_registry import PromptVersion
from mlflow.tracing.constant import TraceTagKey

from synalign.prompts.templates import with_blanks
from synalign.registry import names
from synalign.registry.address import registry_uri
from synalign.registry.connection import every, unless_missing, unless_there

if TYPE_CHECKING:
    from synalign.prompts.templates import Template
    from synalign.registry.release import Release

log = logging.getLogger("synalign")

DIGEST = "synalign.digest"
_EXPERIMENTS = "_mlflow_experiment_ids"
_FIRST, _LAST = "synalign.first_training_set", "synalign.last_training_set"
# MLflow's column for the text of a prompt holds 100,000 characters.
_LONGEST = 100_000
# Databricks asks for names in three parts, or keeps no prompts.
_WITHOUT = "databricks"


def log_prompts(
    client: MlflowClient, release: Release, tracking: str, experiment_id: str, run_id: str, version: str
) -> dict[str, str]:
    """Keep the templates of a release as prompt versions, and link them to its run and its training set.

    Args:
        client: MLflow.
        release: Whose templates.
        tracking: MLflow's address.
        experiment_id: The experiment that shows the prompts.
        run_id: The release's run.
        version: Version of its training set.

    Returns:
        Address of each prompt version (`prompts:/shop-write-prompt/3`) by kind of request.
    """
    if registry_uri(tracking).startswith(_WITHOUT):
        log.info("register: prompts are not kept: this registry takes none under such names")
        return {}
    found: dict[str, PromptVersion] = {}
    for kind, template in release.templates.items():
        messages = _messages(template)
        if len(json.dumps(messages)) > _LONGEST:
            log.warning("register: the template of %s is longer than MLflow's %d characters", kind, _LONGEST)
            continue
        name = names.prompt(release.retriever, kind, release.prefix)
        found[kind] = prompt = _version(client, name, template, messages, experiment_id)
        training_set = f"{release.model}/{version}"
        # Not all of them: a wording can live for years of nights.
        for tag in (_LAST,) if _FIRST in prompt.tags else (_FIRST, _LAST):
            client.set_prompt_version_tag(prompt.name, prompt.version, tag, training_set)
    # Not `link_prompt_version_to_run`: it asks the server of the environment, which need not be this one.
    linked = [{"name": prompt.name, "version": str(prompt.version)} for prompt in found.values()]
    if linked:
        client.set_tag(run_id, TraceTagKey.LINKED_PROMPTS, json.dumps(linked))
    return {kind: f"prompts:/{prompt.name}/{prompt.version}" for kind, prompt in found.items()}


def _messages(template: Template) -> list[dict[str, str]]:
    """Return a template as MLflow keeps chat prompts."""
    parts = (("system", template.system), ("user", template.user))
    return [{"role": role, "content": with_blanks(text, "{{{{{}}}}}".format)} for role, text in parts]


def _version(
    client: MlflowClient, name: str, template: Template, messages: list[dict[str, str]], experiment_id: str
) -> PromptVersion:
    """Return the version that holds a template: the one that is there, or a new one."""
    there = _versions(client, name, template.digest)
    if not there:
        # Not `register_prompt`: it links the experiment of the environment, in a thread of its own.
        with unless_there():
            client.create_prompt(name, tags={_EXPERIMENTS: f",{experiment_id},"})
        client.create_prompt_version(name, messages, tags={DIGEST: template.digest})
        there = _versions(client, name, template.digest)
    # The server may have got the same request twice.
    for twin in there[1:]:
        with unless_missing():
            client.delete_prompt_version(name, str(twin.version))
    return there[0]


def _versions(client: MlflowClient, name: str, digest: str) -> list[PromptVersion]:
    """Return the versions of a prompt that hold a template, oldest first."""
    found: list[PromptVersion] = []
    with unless_missing():
        found = list(every(lambda token: client.search_prompt_versions(name, 100, token)))
    of_it = [version for version in found if version.tags.get(DIGEST) == digest]
    return sorted(of_it, key=lambda version: int(version.version))
