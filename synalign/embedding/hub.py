"""A model of Hugging Face's hub, fetched once at a commit: safetensors and their small files, no code, no pickles.

    $SYNALIGN_HOME/models/models--<owner>--<name>/snapshots/<commit>/    as `huggingface_hub` lays it out
    $SYNALIGN_HOME/models/models--<owner>--<name>/<commit>.checked       written when all of it is there and checked

A commit is a digest of the repository's files, so that other files have another name. Each file is compared with the
digest under which the hub stores it (SHA-256 of large files, git's of others); what is checked is not asked for again,
and needs no network.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from synalign.config import home
from synalign.errors import SetupError
from synalign.masking import mask
from synalign.run.manifests import file_digest

_WANTED = ("*.safetensors", "*.json", "*.txt", "*.model")
# The same weights for other runtimes.
_NOT_WANTED = ("onnx/*", "openvino/*")
_DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SAID = 500


def snapshot(model: str, revision: str) -> Path:
    """Return the folder of a model at a commit, fetched unless it was before.

    Args:
        model: Its name on the hub, `owner/name`.
        revision: The commit, 40 hexadecimal digits.

    Raises:
        SetupError: It cannot be fetched, is another commit, has no safetensors, or they are damaged.
    """
    cache = home() / "models"
    repository = cache / f"models--{model.replace('/', '--')}"
    folder, checked = repository / "snapshots" / revision, repository / f"{revision}.checked"
    if checked.is_file() and folder.is_dir():
        return folder
    _fetch(model, revision, cache)
    digests = _checked(model, revision, folder)
    draft = checked.with_name(f".{checked.name}.{os.getpid()}")
    draft.write_text(json.dumps(digests, indent=1) + "\n")
    draft.replace(checked)
    return folder


def _fetch(model: str, revision: str, cache: Path) -> None:
    """Run `huggingface_hub` in a process of its own: in this one it may have been told to stay offline.

    Raises:
        SetupError: It fails.
    """
    ended = subprocess.run(
        [sys.executable, "-m", "synalign.embedding.hub", model, revision, str(cache)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"},
    )
    if ended.returncode:
        said = " ".join(ended.stderr.split())[-_SAID:]
        raise SetupError(
            f"encoder.model == {model!r}, cannot be fetched at revision {revision}: {mask(said)}.",
            cause="no such model or commit, no network, or a model that asks for a login",
            remedy="check encoder.model and encoder.revision; `HF_ENDPOINT` names a mirror, `HF_TOKEN` holds a key; or "
            "copy the model's folder here and name that",
        )
    commit = ended.stdout.strip()
    if commit != revision:
        raise SetupError(
            f"encoder.model == {model!r}: the hub gives commit {commit!r}, must be {revision!r}.",
            cause="a mirror that does not keep commits",
            remedy="fetch it from another mirror (`HF_ENDPOINT`), or copy the model's folder here and name that",
        )


def _checked(model: str, revision: str, folder: Path) -> dict[str, str]:
    """Return the digest of each file of a snapshot, compared with the name under which the hub stores it.

    Raises:
        SetupError: There are no weights, no list of modules, or a damaged file, which is removed.
    """
    weights = sorted(folder.rglob("*.safetensors"))
    if not weights or not (folder / "modules.json").is_file():
        raise SetupError(
            f"encoder.model == {model!r} at revision {revision} is no sentence-transformers model with .safetensors "
            "weights.",
            cause="weights as pickles alone, which are not fetched, or a model of another library",
            remedy="load it where you trust it, save it with SentenceTransformer.save_pretrained, and name that folder",
        )
    digests: dict[str, str] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        stored = path.resolve()
        found = digests[str(path.relative_to(folder))] = _digest(stored)
        if _DIGEST.fullmatch(stored.name) and found != stored.name:
            stored.unlink()
            raise SetupError(
                f"{path.name} of {model} has the digest {found}, the hub says {stored.name}.",
                cause="a download that was damaged on its way; the file is removed",
                remedy="run it again",
            )
    return digests


def _digest(blob: Path) -> str:
    """Return the digest of a file by the length of its name: SHA-256, or that of a git blob."""
    if len(blob.name) == hashlib.sha256().digest_size * 2:
        return file_digest(blob)
    content = blob.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def main() -> None:
    """Fetch the model that the command line names, and print the commit that the hub gives."""
    parser = argparse.ArgumentParser(description="Fetch a model of Hugging Face's hub at a commit.")
    parser.add_argument("model")
    parser.add_argument("revision")
    parser.add_argument("cache", type=Path)
    given = parser.parse_args()
    from huggingface_hub import HfApi, snapshot_download

    try:
        # Asked first: without it, a hub that is away would let half of a download count.
        commit = HfApi().model_info(given.model, revision=given.revision).sha
        snapshot_download(
            given.model,
            revision=given.revision,
            cache_dir=given.cache,
            allow_patterns=list(_WANTED),
            ignore_patterns=list(_NOT_WANTED),
        )
    except Exception as error:
        # Its own errors, those of its HTTP client, and those of the disk: all of them end the download.
        sys.exit(f"{type(error).__name__}: {error}")
    sys.stdout.write(f"{commit}\n")


if __name__ == "__main__":
    main()
