"""Where a model runs: on the CPU, or on one of this machine's GPUs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from synalign.errors import SetupError

if TYPE_CHECKING:
    from synalign.config import Encoder

CPU, CUDA = "cpu", "cuda"
DEVICES = ("auto", CPU, CUDA)
"""The words for a device."""


def device_of(name: str, setting: str = "device") -> str:
    """Return the device that a word means: `cpu` or `cuda`; `auto` is a GPU where there is one.

    Args:
        name: `auto`, `cpu` or `cuda`.
        setting: What has this value, for messages.

    Raises:
        SetupError: It is another word, or `cuda` where PyTorch sees no GPU.
    """
    if name not in DEVICES:
        raise SetupError(f"{setting} == {name!r}, must be one of {', '.join(DEVICES)}.")
    if name == CPU:
        return CPU
    import torch

    if torch.cuda.is_available():
        return CUDA
    if name == CUDA:
        raise SetupError(
            f"{setting} == 'cuda', PyTorch {torch.__version__} sees no GPU on this machine.",
            cause="no GPU, no driver, a container that was not given one, or a PyTorch for CPUs alone",
            remedy=f"set {setting} to auto or cpu; for a GPU see what `nvidia-smi` says, and TORCH_BACKEND in "
            "docs/production.md",
        )
    return CPU


def device(settings: Encoder) -> str:
    """Return where this process runs an encoder, in PyTorch's words: `cpu`, or `cuda:` with the number of a GPU.

    Raises:
        SetupError: `cuda` is asked for, and PyTorch sees no GPU.
    """
    found = device_of(settings.device, "encoder.device")
    if found == CPU:
        return CPU
    import torch

    return f"cuda:{gpu(torch.cuda.device_count(), _assigned(), os.getpid())}"


def gpu(count: int, assigned: Sequence[str], process: int) -> int:
    """Return the number of the GPU that a process uses: the one Spark assigned, else processes are spread.

    Args:
        count: GPUs that PyTorch sees.
        assigned: Addresses of GPUs that Spark gave the task (`spark.task.resource.gpu.amount`).
        process: Number of the process.

    Examples:
        >>> gpu(4, ["2"], 7), gpu(4, [], 7), gpu(1, ["2"], 7)
        (2, 3, 0)
    """
    address = int(assigned[0]) if assigned and assigned[0].isdecimal() else process
    # Where CUDA_VISIBLE_DEVICES hides the others, the one that is left has the number 0.
    return address % count


def _assigned() -> Sequence[str]:
    """Return the addresses of the GPUs that Spark gave this task; none outside of Spark."""
    # Only a worker has loaded it; elsewhere it is not worth its import.
    pyspark = sys.modules.get("pyspark")
    task = pyspark.TaskContext.get() if pyspark is not None else None
    found = task.resources().get("gpu") if task is not None else None
    return list(found.addresses) if found is not None else []
