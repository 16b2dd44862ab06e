"""Models whose folder says which prompts they were trained with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

FILE = "config_sentence_transformers.json"
PROMPTS = {"query": "Instruct: find what answers\nQuery: ", "document": "passage: "}


def with_prompts(model: str, folder: Path, prompts: Any = PROMPTS, default: Any = None, pooled: bool = True) -> str:
    """Copy a model's folder, with other prompts; `pooled`: whether its pooling counts them."""
    shutil.copytree(model, folder)
    content = json.loads((folder / FILE).read_text())
    (folder / FILE).write_text(json.dumps({**content, "prompts": prompts, "default_prompt_name": default}))
    pooling = folder / "1_Pooling" / "config.json"
    if pooling.is_file():
        pooling.write_text(json.dumps({**json.loads(pooling.read_text()), "include_prompt": pooled}))
    return str(folder)
