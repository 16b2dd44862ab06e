"""What a run has submitted to the provider's batch API, and how it ended: written before and after every step of it.

One line of JSON per event, in the run's folder, synced before the next call to the provider. A kill between two calls
leaves an intention without a batch; whoever goes on asks the provider whether it has the batch (`provider_batch`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from os import PathLike
from typing import Any, NamedTuple

from synalign.generation.correction import Correction
from synalign.storage.append_log import AppendLog

RECORD = "provider-batches.jsonl"


class Sent(NamedTuple):
    """A request in a batch.

    Attributes:
        kind: `reason` or `write`.
        tokens_in: Most tokens that are sent.
        tokens_out: Most tokens that are received.
    """

    kind: str
    tokens_in: int
    tokens_out: int


class Ended(NamedTuple):
    """How a request of a batch ended.

    Attributes:
        outcome: A name of `outcomes`.
        tokens_in: Tokens that were billed.
        tokens_out: The same for what was received.
    """

    outcome: str
    tokens_in: int
    tokens_out: int


class Note(NamedTuple):
    """What is known of how a request failed, beside its outcome.

    Attributes:
        detail: What the provider said.
        room: Tokens that the model's context leaves for the answer, where that is why it is asked otherwise.
    """

    detail: str = ""
    room: int | None = None


class Submission(NamedTuple):
    """A set of requests that is handed to the provider as one batch.

    Attributes:
        digest: Names the set, here and in the batch's metadata.
        session: Rounds are counted within a session; see `Record.session`.
        sent: Key to request.
        batch_id: The provider's id; None: nobody knows yet whether it has one.
        ended: Key to how it ended; None: it is in flight.
    """

    digest: str
    session: str
    sent: dict[str, Sent]
    batch_id: str | None = None
    ended: dict[str, Ended] | None = None


class Record:
    """The submissions of one run. One process has it open at a time: the run's lock sees to that.

    Args:
        path: The file; made if missing.

    Raises:
        RunError: It cannot be read or written, or is damaged.
    """

    def __init__(self, path: PathLike[str]) -> None:
        self._submissions: dict[str, Submission] = {}
        self._conclusions: dict[str, int] = {}
        self._failures: dict[tuple[str, str], list[Ended]] = {}
        self._notes: dict[tuple[str, str], Note] = {}
        self._log = AppendLog(
            path,
            self._apply,
            remedy="delete the file: batches are found again at the provider by their digest, and answers that "
            "are in the journal stay",
        )

    def close(self) -> None:
        """Close the file."""
        self._log.close()

    def session(self, fingerprint: str) -> str:
        """Return the session that a step is in: its fingerprint, and how often it was given up since.

        Changed settings, and a step that failed and is run again, give every request its rounds back.
        """
        return f"{fingerprint}-{self._conclusions.get(fingerprint, 0)}"

    def open(self) -> list[Submission]:
        """Return the submissions that have not ended, in the order they were made."""
        return [submission for submission in self._submissions.values() if submission.ended is None]

    def submitted(self, key: str) -> bool:
        """Return whether a request was ever part of a submission."""
        return any(key in submission.sent for submission in self._submissions.values())

    def failures(self, key: str, session: str) -> list[Ended]:
        """Return how a request's rounds without a good answer ended, in one session."""
        return self._failures.get((key, session), [])

    def note(self, key: str, session: str) -> Note:
        """Return what is known of a request's latest failure, in one session."""
        return self._notes.get((key, session), Note())

    def spent(self) -> Iterator[tuple[int, int]]:
        """Yield the tokens of every request: as billed, or the most that can be while it is in flight."""
        correction = self.correction()
        for submission in self._submissions.values():
            if submission.ended is None:
                yield from (correction.most(sent.tokens_in, sent.tokens_out) for sent in submission.sent.values())
            else:
                yield from ((end.tokens_in, end.tokens_out) for end in submission.ended.values())

    def correction(self) -> Correction:
        """Return how far the provider's counts passed the bounds of the requests that have ended."""
        correction = Correction()
        for submission in self._submissions.values():
            for key, end in (submission.ended or {}).items():
                bounds = submission.sent[key][1:]
                # Where nothing was reported, the corrected bound itself was counted.
                if (end.tokens_in, end.tokens_out) != correction.most(*bounds):
                    correction.learn(*bounds, end.tokens_in, end.tokens_out)
        return correction

    def intend(self, digest: str, session: str, sent: Mapping[str, Sent]) -> None:
        """Note that a set is about to be submitted."""
        self._write({"event": "intended", "digest": digest, "session": session, "sent": sent})

    def created(self, digest: str, batch_id: str) -> None:
        """Note that the provider has a set."""
        self._write({"event": "created", "digest": digest, "batch": batch_id})

    def dropped(self, digest: str) -> None:
        """Note that the provider never got a set."""
        self._write({"event": "dropped", "digest": digest})

    def ended(self, digest: str, ended: Mapping[str, Ended], notes: Mapping[str, Note] | None = None) -> None:
        """Note how the requests of a set ended; good answers must be in the journal by then."""
        self._write({"event": "ended", "digest": digest, "ended": ended, **({"notes": notes} if notes else {})})

    def conclude(self, fingerprint: str) -> None:
        """Note that a step was given up: run again, it begins a new session."""
        self._write({"event": "concluded", "fingerprint": fingerprint})

    def _write(self, event: dict[str, Any]) -> None:
        self._log.append(event)
        self._log.sync()
        self._apply(event)

    def _apply(self, event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind == "concluded":
            fingerprint = str(event["fingerprint"])
            self._conclusions[fingerprint] = self._conclusions.get(fingerprint, 0) + 1
            return
        digest = str(event["digest"])
        if kind == "intended":
            sent = {key: Sent(*request) for key, request in event["sent"].items()}
            self._submissions[digest] = Submission(digest, str(event["session"]), sent)
        elif kind == "created":
            self._submissions[digest] = self._submissions[digest]._replace(batch_id=str(event["batch"]))
        elif kind == "dropped":
            del self._submissions[digest]
        elif kind == "ended":
            self._end(digest, {key: Ended(*request) for key, request in event["ended"].items()})
            session = self._submissions[digest].session
            self._notes |= {(key, session): Note(*note) for key, note in event.get("notes", {}).items()}
        else:
            raise ValueError(kind)

    def _end(self, digest: str, ended: dict[str, Ended]) -> None:
        submission = self._submissions[digest] = self._submissions[digest]._replace(ended=ended)
        for key, end in ended.items():
            if end.outcome != "ok":
                self._failures.setdefault((key, submission.session), []).append(end)
