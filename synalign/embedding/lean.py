"""The lean loop: a BERT with mean or CLS pooling, run without padding, mask, pooler or the libraries around it.

It reads the published files itself (`tokenizer.json`, `config.json`, `model.safetensors`), so that a Spark worker
imports neither transformers nor sentence-transformers, which take several times longer to import than torch.

The model is BERT (Devlin et al., NAACL 2019, arXiv:1810.04805), the pooling that of Sentence-BERT (Reimers and
Gurevych, EMNLP 2019, arXiv:1908.10084). Only texts of equal token count share a batch (`synalign.embedding.batches`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from synalign.embedding.batches import distinct, equal_length_batches, tokens_on

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import torch
    from numpy.typing import NDArray

# What `sentence_bert_config.json` may say beside the length, which is ours: sentence-transformers' defaults.
_PLAIN = {
    "do_lower_case": False,
    "transformer_task": "feature-extraction",
    "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
    "module_output_name": "token_embeddings",
}
_LEGACY_POOLING = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls"}


def obstacle(folder: Path, prompted: bool = False) -> str:
    """Return why the lean loop does not fit a model's folder, empty where it does; reads small files only.

    Args:
        folder: A sentence-transformers folder.
        prompted: Texts have a prompt before them.
    """
    modules = json.loads((folder / "modules.json").read_bytes())
    kinds = [module["type"] for module in modules]
    names = [kind.rsplit(".", 1)[-1] for kind in kinds]
    ours = all(kind.startswith("sentence_transformers.") for kind in kinds)
    if not ours or names not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        return f"its modules are {', '.join(names)}, not Transformer, Pooling and perhaps Normalize"
    place, pooling = folder / modules[0]["path"], _pooling(folder / modules[1]["path"])
    if pooling not in ("mean", "cls"):
        return f"its pooling is {pooling!r}, not 'mean' or 'cls'"
    if prompted and _json(folder / modules[1]["path"] / "config.json").get("include_prompt", True) is False:
        return "its pooling leaves the prompt out"
    return _unlike_bert(place) or _unlike_tokenizer(place)


def _pooling(folder: Path) -> str:
    content = _json(folder / "config.json")
    if "pooling_mode" in content:
        mode = content["pooling_mode"]
        return mode if isinstance(mode, str) else "+".join(mode)
    flags = [key for key, value in content.items() if key.startswith("pooling_mode_") and value]
    return "+".join(_LEGACY_POOLING.get(flag, flag) for flag in flags) or "mean"


def _unlike_bert(folder: Path) -> str:
    config = _json(folder / "config.json")
    expected = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute", "is_decoder": False}
    for key, value in expected.items():
        if config.get(key, None if key == "model_type" else value) != value:
            return f"its {key} is {config.get(key)!r}, not {value!r}"
    for key, value in _json(folder / "sentence_bert_config.json").items():
        if key != "max_seq_length" and value and value != _PLAIN.get(key):
            return f"its sentence_bert_config.json sets {key}"
    return "" if (folder / "model.safetensors").is_file() else "its weights are not one model.safetensors"


def _unlike_tokenizer(folder: Path) -> str:
    tokenizer, settings = _json(folder / "tokenizer.json"), _json(folder / "tokenizer_config.json")
    if not tokenizer:
        return "it has no tokenizer.json"
    lowers = (tokenizer.get("normalizer") or {}).get("lowercase")
    if "do_lower_case" in settings and settings["do_lower_case"] != lowers:
        return "its tokenizer.json and tokenizer_config.json differ about lower case"
    sides = {settings.get(side, "right") for side in ("padding_side", "truncation_side")}
    return "" if sides == {"right"} else "it pads or cuts on the left"


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_bytes()) if path.is_file() else {}


class _Layer(NamedTuple):
    """Weights of one layer; those of query, key and value stand in one matrix, so that one product serves all."""

    qkv: tuple[torch.Tensor, torch.Tensor]
    attended: tuple[torch.Tensor, torch.Tensor]
    attended_norm: tuple[torch.Tensor, torch.Tensor]
    up: tuple[torch.Tensor, torch.Tensor]
    down: tuple[torch.Tensor, torch.Tensor]
    down_norm: tuple[torch.Tensor, torch.Tensor]


class Lean:
    """A model ready to embed. Holds the weights once, in the precision asked for.

    Args:
        folder: A sentence-transformers folder without an `obstacle`.
        precision: `float32`, `bfloat16` or `float16`; pooling and scaling to length one are in float32 either way.
        max_tokens: Longer texts are cut, and at the model's own last position at the latest.
        device: Where it runs, in PyTorch's words.
    """

    def __init__(self, folder: Path, precision: str, max_tokens: int, device: str = "cpu") -> None:
        import torch
        from safetensors.torch import load_file
        from tokenizers import Tokenizer

        modules = json.loads((folder / "modules.json").read_bytes())
        place = folder / modules[0]["path"]
        config = _json(place / "config.json")
        self._mean = _pooling(folder / modules[1]["path"]) == "mean"
        self._heads = int(config["num_attention_heads"])
        self._epsilon = float(config.get("layer_norm_eps", 1e-12))
        self._tokenizer = Tokenizer.from_file(str(place / "tokenizer.json"))
        # The file may ask for padding to a fixed length.
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(min(max_tokens, int(config.get("max_position_embeddings", 512))))
        kind = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(precision, torch.float32)
        loaded = load_file(str(place / "model.safetensors"))
        self._device = device
        # Checkpoints with a head keep the encoder under a name of its own.
        self._read({name.removeprefix("bert."): weight.to(device, kind) for name, weight in loaded.items()})

    def _read(self, weights: dict[str, torch.Tensor]) -> None:
        import torch

        def pair(name: str) -> tuple[torch.Tensor, torch.Tensor]:
            return weights[f"{name}.weight"], weights[f"{name}.bias"]

        self._words = weights["embeddings.word_embeddings.weight"]
        # A text is one segment, so the segment's vector can join the positions'.
        segment = weights["embeddings.token_type_embeddings.weight"][0]
        self._positions = weights["embeddings.position_embeddings.weight"] + segment
        self._norm = pair("embeddings.LayerNorm")
        self._layers: list[_Layer] = []
        while f"encoder.layer.{len(self._layers)}.output.dense.weight" in weights:
            layer = f"encoder.layer.{len(self._layers)}"
            parts = [pair(f"{layer}.attention.self.{name}") for name in ("query", "key", "value")]
            self._layers.append(
                _Layer(
                    qkv=(torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])),
                    attended=pair(f"{layer}.attention.output.dense"),
                    attended_norm=pair(f"{layer}.attention.output.LayerNorm"),
                    up=pair(f"{layer}.intermediate.dense"),
                    down=pair(f"{layer}.output.dense"),
                    down_norm=pair(f"{layer}.output.LayerNorm"),
                )
            )

    def encode(
        self, texts: list[str], advance: Callable[[int], None] | None = None, prompt: str = ""
    ) -> NDArray[np.float32]:
        """Embed n texts, each with the prompt before it: (n, d) float32, unit rows, in their order.

        `advance` hears how many more are done.
        """
        import torch
        from torch.nn.functional import normalize

        # One text with the prompt, as sentence-transformers has it: a word may begin in the one and end in the other.
        whole = [prompt + text for text in texts] if prompt else texts
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(whole)]
        vectors = np.empty((len(texts), self._words.shape[1]), dtype=np.float32)
        with torch.inference_mode():
            for rows in equal_length_batches([len(ids) for ids in tokens], tokens_on(self._device)):
                hidden = self._hidden(torch.tensor([tokens[row] for row in rows], device=self._device))
                pooled = hidden.float().mean(dim=1) if self._mean else hidden[:, 0].float()
                vectors[rows] = normalize(pooled, dim=1).cpu().numpy()
                if advance is not None:
                    advance(distinct(rows))
        return vectors

    def _hidden(self, tokens: torch.Tensor) -> torch.Tensor:
        """Last layer's states, (rows, length, d), of token ids (rows, length) without padding."""
        from torch.nn.functional import embedding, gelu, layer_norm, linear, scaled_dot_product_attention

        rows, length = tokens.shape
        width = self._words.shape[1]
        states = (embedding(tokens, self._words) + self._positions[:length]).view(rows * length, width)
        states = layer_norm(states, (width,), *self._norm, self._epsilon)
        for layer in self._layers:
            heads = linear(states, *layer.qkv).view(rows, length, 3, self._heads, width // self._heads)
            query, key, value = heads.permute(2, 0, 3, 1, 4).unbind(0)
            attended = scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(rows * length, width)
            states = linear(attended, *layer.attended).add_(states)
            states = layer_norm(states, (width,), *layer.attended_norm, self._epsilon)
            states = linear(gelu(linear(states, *layer.up)), *layer.down).add_(states)
            states = layer_norm(states, (width,), *layer.down_norm, self._epsilon)
        return states.view(rows, length, width)
