"""What the tests share: a model whose answers are known, and a text of two topics."""

import random

import numpy as np
import pytest

import wordloom

# The columns are: male, female, royal, young, food.
ROYALS = {
    "man": [1, 0, 0, 0, 0],
    "woman": [0, 1, 0, 0, 0],
    "king": [1, 0, 1, 0, 0],
    "queen": [0, 1, 1, 0, 0],
    "boy": [1, 0, 0, 1, 0],
    "girl": [0, 1, 0, 1, 0],
    "bread": [0, 0, 0, 0, 1],
    "cheese": [0, 0.1, 0, 0, 1],
}


@pytest.fixture
def royals():
    return wordloom.Model(list(ROYALS), np.array(list(ROYALS.values()), np.float32))


@pytest.fixture(scope="session")
def sentences():
    """Sentences of animals and of dishes, which never mix."""
    draw = random.Random(1)
    topics = [[f"animal{n}" for n in range(30)], [f"dish{n}" for n in range(30)]]
    return [[draw.choice(topics[i % 2]) for _ in range(12)] for i in range(3000)]


@pytest.fixture(scope="session")
def trained(sentences):
    return wordloom.train("skip-gram", sentences, dim=24, epochs=3, threads=1, progress=False)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Each test has its own cache and its own folder of temporary files."""
    for name in ("cache", "tmp"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("WORDLOOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
