"""What a model has answered, kept: nothing is asked twice, and what was answered before a failure is not lost.

One SQLite file a model, named by the digest of the engine's identity; a row a question, by the question's digest. Each
answer is committed as it comes.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path

from sparring.canonical import digest
from sparring.errors import SparringError
from sparring.llm.engine import Answer, Engine, Question
from sparring.progress import progress

_WAIT = 120.0  # seconds that a job waits for another one's commit


class Asker:
    """Puts questions to an engine, each only if no kept answer is there."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.asked = 0
        """Questions put to the engine itself."""
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{digest(dict(engine.identity))}.sqlite"
        self._kept = self._open()

    def _open(self) -> sqlite3.Connection:
        kept = sqlite3.connect(self._path, timeout=_WAIT, isolation_level=None)
        try:
            kept.execute("CREATE TABLE IF NOT EXISTS answers (question TEXT PRIMARY KEY, answer TEXT NOT NULL)")
        except sqlite3.DatabaseError as error:
            raise self._damaged(error) from None
        return kept

    def ask(self, questions: Sequence[Question], *, desc: str, anew: bool = False) -> list[Answer | None]:
        """The answers in order; None for a question that could not be answered (it is put again next time).

        anew: puts them to the engine whatever is kept; SparringError if it answers otherwise than it used to.
        SparringError, too, if the engine stops answering; what it answered before is kept.
        """
        keys = [question.digest for question in questions]
        kept = {key: answer for key in dict.fromkeys(keys) if (answer := self._recall(key)) is not None}
        found = {} if anew else dict(kept)
        missing = {key: question for key, question in zip(keys, questions, strict=True) if key not in found}
        threads = ThreadPoolExecutor(self.engine.parallel)
        # Sorted, so that questions which begin alike follow each other: an engine reads what they share only once.
        order = sorted(missing.items(), key=lambda item: item[1].messages)
        coming = {threads.submit(self.engine.answer, question): key for key, question in order}
        try:
            with progress(len(missing), desc=desc, unit="answer") as bar:
                for future in as_completed(coming):
                    self._keep(coming[future], future.result(), found)
                    bar.update(1)
        except SparringError as error:
            threads.shutdown(cancel_futures=True)  # what is under way comes to its end, and is kept
            for future, key in coming.items():
                if not future.cancelled() and not future.exception():
                    self._keep(key, future.result(), found)
            raise SparringError(f"{error}; {self.count()} answers are kept, the same command goes on") from None
        finally:
            threads.shutdown(wait=False, cancel_futures=True)  # after Ctrl-C, the engine's end is what ends the others
        if anew:
            self._require_same(kept, found)
        return [found.get(key) for key in keys]

    def count(self) -> int:
        """How many answers are kept of this model."""
        return int(self._kept.execute("SELECT count(*) FROM answers").fetchone()[0])

    def _require_same(self, before: Mapping[str, Answer], now: Mapping[str, Answer]) -> None:
        both = [(answer, now[key]) for key, answer in before.items() if key in now]
        if both and sum(_distance(*pair) for pair in both) / len(both) > self.engine.noise:
            raise SparringError(
                f"the model {self.engine.identity['model']!r} answers otherwise than when its kept answers were made: "
                f"if other weights are served now, say so in llm.model.weights; else delete {self._path}"
            )

    def _recall(self, key: str) -> Answer | None:
        try:
            row = self._kept.execute("SELECT answer FROM answers WHERE question = ?", (key,)).fetchone()
            return None if row is None else Answer(**json.loads(row[0]))
        except (sqlite3.DatabaseError, ValueError, TypeError) as error:
            raise self._damaged(error) from None

    def _keep(self, key: str, answer: Answer | None, found: dict[str, Answer]) -> None:
        self.asked += 1
        if answer is not None:
            # The first answer stays, also where a question is put anew: later ones are held against it.
            self._kept.execute("INSERT OR IGNORE INTO answers VALUES (?, ?)", (key, json.dumps(asdict(answer))))
            found[key] = answer

    def _damaged(self, error: Exception) -> SparringError:
        return SparringError(f"the kept answers {self._path} cannot be read ({error}): delete the file to ask anew")


def _distance(before: Answer, after: Answer) -> float:
    """Mean difference of the candidates' log-probabilities; without any, 1 where the texts differ."""
    shared = before.first.keys() & after.first.keys()
    if not shared:
        return float(before.text != after.text)
    return sum(abs(before.first[token] - after.first[token]) for token in shared) / len(shared)
