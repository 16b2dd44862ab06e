"""What an endpoint takes of what a request can hold, found out as requests are refused.

An endpoint that refuses a parameter, or a form of structured output, refuses it every time: the first refusal decides
for the whole run, is said in one line of the log, and is kept in the run's folder, so that neither a later request nor
a later process meets it again. What is decided changes no request's key in the journal: an answer that passed the same
validation is as good whatever form it was asked for in.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from os import PathLike
from typing import Any

from synalign.config import Configuration
from synalign.config.generation import LIMIT_NAMES
from synalign.generation import request
from synalign.generation.budget import tokens_of
from synalign.generation.refusals import (
    BOUNDS,
    LIMIT_NAME,
    SEED,
    STREAM_OPTIONS,
    STRUCTURED,
    TEMPERATURE,
    WHOLE,
    Refusal,
    is_bounded,
)
from synalign.generation.request import Request
from synalign.storage.append_log import AppendLog

log = logging.getLogger("synalign")

RECORD = "endpoint.jsonl"
FORMS = ("json_schema", "json_object", "tool", "prompt")
"""Forms of structured output, in the order in which they are tried."""

UNFOLLOWED = 2
"""So many answers in a form, none of them of the schema: the endpoint takes that form and pays no heed to it."""

TOO_HIGH = 1.6
"""By so much `tokens_of` is too high for English prose."""

MARGIN = 64
"""Tokens that a chat template may add to a prompt."""


class Dialect:
    """What one endpoint takes.

    Args:
        configuration: Says what is fixed, and what is to be found out.
        record: File that keeps what was found out; None: it is found again next time.

    Attributes:
        structured_output: The form in which answers are asked for.
        limit_name: What the most tokens of an answer are called.
        not_sent: Parameters that the endpoint refuses, of `seed`, `temperature` and `stream_options`.
        streams: Whether the endpoint gives no answer but as a stream.
        bounded: Whether schemas say how long lists and texts may be.
        most_output: The most tokens of an answer that it allows; None where it has not said.
        window: Tokens of the model's context; None where nobody has said.
        cuts: Whether it cuts a prompt that is too long, without a word, instead of refusing it.

    Raises:
        RunError: The record is damaged.
        StorageError: It cannot be read.
    """

    def __init__(self, configuration: Configuration, record: PathLike[str] | None = None) -> None:
        self._configuration = configuration
        self._settings = settings = configuration.generation
        self.structured_output = FORMS[0] if settings.structured_output == "auto" else settings.structured_output
        self.limit_name = LIMIT_NAMES[0] if settings.output_limit_name == "auto" else settings.output_limit_name
        self.not_sent: set[str] = set()
        self.streams = self.cuts = False
        self.bounded = True
        self.most_output: int | None = None
        self.window: int | None = settings.context_tokens
        self._followed: dict[str, int] = {}
        self._log: AppendLog | None = None
        if record is not None:
            self._log = AppendLog(
                record,
                self._read,
                remedy="delete the file: what the endpoint takes is found again, at no cost",
                encode=lambda content: json.dumps(content, sort_keys=True).encode(),
            )

    def close(self) -> None:
        """Close the record."""
        if self._log is not None:
            self._log.close()

    def summary(self) -> dict[str, Any]:
        """Describe the parameters that this endpoint is sent, for people."""
        found: dict[str, Any] = {"structured_output": self.structured_output, "output_limit_name": self.limit_name}
        if self.streams:
            found["stream"] = True
        if not self.bounded:
            found["bounds"] = "not in the schema"
        if self.not_sent:
            found["not_sent"] = ", ".join(sorted(self.not_sent))
        limits = {"most_output_tokens": self.most_output, "context_tokens": self.window}
        found |= {name: value for name, value in limits.items() if value is not None}
        return found

    def parameters(self, asked: Request, room: int | None = None) -> dict[str, Any]:
        """Return everything that is sent for a request.

        Args:
            asked: The request.
            room: Tokens that are left for its answer in the model's context, where that is known.
        """
        sent = request.parameters(
            asked, self._configuration, form=self.structured_output, limit_name=self.limit_name,
            limit=self._limit(asked, room), bounded=self.bounded,
        )  # fmt: skip
        if self.streams:
            sent |= {"stream": True, STREAM_OPTIONS: {"include_usage": True}}
        return {name: value for name, value in sent.items() if name not in self.not_sent}

    def limit_of(self, sent: Mapping[str, Any]) -> int:
        """Return the most tokens of an answer that some parameters allow."""
        return next(int(sent[name]) for name in LIMIT_NAMES if name in sent)

    def note_window(self, tokens: int, cuts: bool) -> None:
        """Take what the endpoint tells of the model's context, unless the configuration says it."""
        if self._settings.context_tokens is None and self.window != tokens:
            self._decide("window", tokens, f"has a context of {tokens:,} tokens")
        if cuts and not self.cuts:
            self._decide("cuts", True, "cuts prompts that are too long: requests are kept well below its context")

    def too_long(self, asked: Request) -> bool:
        """Return whether a request and its answer are longer than the model's context, where nobody else would say so.

        An endpoint that tells its context and refuses what does not fit counts better than we do, and a refusal costs
        nothing. One that cuts gets no request that could be too long; where the configuration says the context, none
        that is by the usual error of the estimate.
        """
        if self.window is None or not (self.cuts or self._settings.context_tokens):
            return False
        estimate = tokens_of(asked.messages) / (1.0 if self.cuts else TOO_HIGH)
        return estimate + min(asked.answer_tokens, self._settings.max_output_tokens) + MARGIN > self.window

    def learn(self, found: Refusal, sent: Mapping[str, Any]) -> bool:
        """Decide by a refusal how requests are sent from now on.

        Args:
            found: What a request was refused for.
            sent: Its parameters.

        Returns:
            Whether the same request, sent again, is another than the one that was refused.
        """
        if found.window is not None and self.window != found.window:
            self._decide("window", found.window, f"has a context of {found.window:,} tokens")
        if found.most_output is not None and found.most_output < self.limit_of(sent):
            if found.most_output < (self.most_output or self._settings.max_output_tokens):
                self._decide("most_output", found.most_output, f"gives at most {found.most_output:,} tokens an answer")
            return True
        learnt = [self._learn(parameter, sent) for parameter in found.parameters]
        # One that cannot be left out is refused again, whatever else is.
        return bool(learnt) and all(learnt)

    def room(self, found: Refusal, least: int, sent: Mapping[str, Any]) -> int | None:
        """Return the tokens that a too long request leaves for its answer; None if they are too few, or not fewer."""
        if found.window is None:
            return None
        taken = found.tokens_in if found.tokens_in is not None else tokens_of(sent["messages"]) + MARGIN
        room = found.window - taken
        enough = min(least, self._settings.max_output_tokens)
        return room if enough <= room < self.limit_of(sent) else None

    def followed(self, sent: Mapping[str, Any], good: bool) -> None:
        """Note whether an answer was of the schema; one form after the other is given up that nothing comes of."""
        form = form_of(sent)
        count = self._followed.get(form, 0)
        if good or count < 0:
            # A form that has worked once works.
            self._followed[form] = -1
            return
        self._followed[form] = count + 1
        if self._followed[form] >= UNFOLLOWED:
            self._give_up_form(form, "does not hold answers to a schema asked for as")

    def _limit(self, asked: Request, room: int | None) -> int:
        limits = [self._settings.max_output_tokens, self.most_output, room]
        if self.window is not None and room is None:
            left = self.window - tokens_of(asked.messages) - MARGIN
            # Tokens are estimated too high. Where too few seem to be left, the endpoint, which counts, says how many:
            # a refusal costs nothing, an answer that is cut off does.
            limits.append(left if left >= 2 * asked.answer_tokens else None)
        return max(1, min(limit for limit in limits if limit is not None))

    def _learn(self, parameter: str, sent: Mapping[str, Any]) -> bool:
        if parameter == WHOLE:
            if not self.streams:
                self._decide("streams", True, "gives no answer but as a stream: asked for as one")
            return "stream" not in sent
        if parameter in (SEED, TEMPERATURE, STREAM_OPTIONS):
            if parameter not in self.not_sent:
                self._decide("not_sent", parameter, f"does not take `{parameter}`: not sent any more")
            return parameter in sent
        if parameter == LIMIT_NAME:
            return self._learn_limit_name(sent)
        if parameter == BOUNDS:
            if self.bounded:
                self._decide("bounded", False, "does not take bounds of lists and texts in a schema: not sent any more")
            return is_bounded(sent)
        return parameter == STRUCTURED and self._learn_form(sent)

    def _learn_limit_name(self, sent: Mapping[str, Any]) -> bool:
        refused = next(name for name in LIMIT_NAMES if name in sent)
        if refused == self.limit_name and self._settings.output_limit_name == "auto" and refused == LIMIT_NAMES[0]:
            self._decide("limit_name", LIMIT_NAMES[1], f"does not take `{refused}`: `{LIMIT_NAMES[1]}` from now on")
        return refused != self.limit_name

    def _learn_form(self, sent: Mapping[str, Any]) -> bool:
        refused = form_of(sent)
        self._give_up_form(refused, "does not take structured output as")
        return refused != self.structured_output

    def _give_up_form(self, form: str, why: str) -> None:
        """Ask in the next form from now on, where there is one and the user has fixed none."""
        following = FORMS[FORMS.index(form) + 1 :]
        if form == self.structured_output and self._settings.structured_output == "auto" and following:
            self._decide("structured_output", following[0], f"{why} `{form}`: `{following[0]}` from now on")

    def _decide(self, name: str, value: Any, words: str) -> None:
        self._set(name, value)
        log.warning("generate: the endpoint %s", words)
        if self._log is not None:
            self._log.append({**self._of(), "name": name, "value": value})

    def _of(self) -> dict[str, Any]:
        """Return what a decision holds for: with another model or setting it is found out again."""
        settings = self._settings
        return {
            "endpoint": settings.endpoint,
            "model": settings.model,
            "settings": [settings.structured_output, settings.output_limit_name, settings.temperature, settings.seed],
            "context_tokens": settings.context_tokens,
        }

    def _set(self, name: str, value: Any) -> None:
        if name == "not_sent":
            self.not_sent.add(str(value))
        elif name in ("structured_output", "limit_name", "most_output", "window", "streams", "bounded", "cuts"):
            setattr(self, name, value)
        else:
            raise ValueError(name)

    def _read(self, content: dict[str, Any]) -> None:
        name, value = content.pop("name"), content.pop("value")
        if content == self._of():
            self._set(name, value)


def form_of(sent: Mapping[str, Any]) -> str:
    """Return the form of structured output that some parameters ask for."""
    if "tools" in sent:
        return "tool"
    return str(sent["response_format"]["type"]) if "response_format" in sent else "prompt"
