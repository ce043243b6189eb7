"""A planted cache: news-like sentences of whole words, and latents that fire on known ones."""

from dataclasses import dataclass, field

import numpy as np

from sparring.autointerp.text import TokenText

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
CITIES = ("Paris", "London", "Berlin", "Madrid", "Rome")
NUMBERS = ("three", "seven", "ninety", "forty", "twelve")
SPORTS = ("football", "tennis", "rugby", "cricket", "hockey")
GROUPS = (DAYS, CITIES, NUMBERS, SPORTS)
FILLER = (
    "the minister said that a report on public schools would be sent to parliament by his office before "
    "it could vote and many people in this region are still waiting for help from their local council after rain"
).split()


@dataclass
class PlantedCache:
    """What autointerp needs of a LatentCache: latent `g` fires on the words of `GROUPS[g]`, at their own strengths."""

    tokens: np.ndarray
    counted: np.ndarray
    document: np.ndarray
    fires: dict[int, np.ndarray]
    sequence: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.sequence = np.arange(len(self.tokens))

    @property
    def n_latents(self) -> int:
        return len(self.fires) + 1  # the last one is dead

    def of(self, latent: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        hit = np.isin(self.tokens, self.fires.get(latent, np.array([-1]))) & self.counted
        sequence, position = np.nonzero(hit)
        return sequence, position, (1.0 + self.tokens[sequence, position] % 7).astype(np.float32)


def planted(*, seed: int = 0, documents: int = 80) -> tuple[PlantedCache, list[str]]:
    """The cache and its vocabulary, one word a token: every group's words stand in about a third of the windows."""
    rng = np.random.default_rng(seed)
    words = [*dict.fromkeys(FILLER), *(word for group in GROUPS for word in group)]
    ids = {word: i for i, word in enumerate(words)}
    tokens = rng.integers(0, len(set(FILLER)), size=(documents * 2, 64))
    for group in GROUPS:
        for row in tokens.reshape(-1, 32):
            if rng.random() < 0.35:
                row[rng.integers(1, 32)] = ids[group[rng.integers(len(group))]]
    counted = np.ones(tokens.shape, dtype=bool)
    counted[:, 0] = False
    fires = {g: np.array([ids[word] for word in group]) for g, group in enumerate(GROUPS)}
    return PlantedCache(tokens, counted, np.repeat(np.arange(documents), 2), fires), words


class WordText(TokenText):
    """TokenText for the planted vocabulary."""

    def __init__(self, words: list[str]) -> None:
        self._words = words

    def word(self, token: int) -> str:
        return " " + self._words[token]

    def window(self, ids: np.ndarray) -> tuple[str, np.ndarray]:
        parts = [self.word(int(i)) for i in ids]
        return "".join(parts), np.cumsum([0, *map(len, parts)])
