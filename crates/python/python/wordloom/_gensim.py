"""Analogies and pairs of words, counted as gensim 4 counts them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ._model import Model

_NONE = 2**32 - 1


def _known(model: Model, restrict: int | None, fold: bool) -> dict[str, int]:
    """The rows of the words that count as known; of words that differ in case, the first."""
    words = model.index_to_key[:restrict]
    if not fold:
        return {word: row for row, word in enumerate(words)}
    return {word.upper(): row for row, word in reversed(list(enumerate(words)))}


def word_analogies(
    model: Model,
    path: str | os.PathLike[str],
    restrict: int | None,
    fold: bool,
    dummy: bool,
    function: str,
) -> tuple[float, list[dict[str, Any]]]:
    known = _known(model, restrict, fold)
    sections: list[dict[str, Any]] = []
    asked: list[tuple[dict[str, Any], list[str]]] = []
    with open(path, encoding="utf8") as lines:
        for number, line in enumerate(lines, 1):
            if line.startswith(": "):
                sections.append({"section": line[2:].strip(), "correct": [], "incorrect": []})
                continue
            words = [word.upper() if fold else word for word in line.split()]
            if not words:
                continue
            if not sections:
                raise ValueError(f"{os.fspath(path)}: line {number} is in no section")
            if len(words) != 4:
                continue
            if all(word in known for word in words):
                asked.append((sections[-1], words))
            elif dummy:
                sections[-1]["incorrect"].append(tuple(words))
    questions = np.array([[known[word] for word in words[:3]] for _, words in asked], np.uint32)
    answers = _answers(model, questions.reshape(-1, 3), known, restrict, fold, function)
    for (section, words), answer in zip(asked, answers):
        section["correct" if answer == words[3] else "incorrect"].append(tuple(words))
    total: dict[str, Any] = {"section": "Total accuracy", "correct": [], "incorrect": []}
    for section in sections:
        total["correct"] += section["correct"]
        total["incorrect"] += section["incorrect"]
    sections.append(total)
    counted = len(total["correct"]) + len(total["incorrect"])
    return (len(total["correct"]) / counted if counted else 0.0), sections


def _answers(
    model: Model,
    questions: np.ndarray[Any, np.dtype[np.uint32]],
    known: dict[str, int],
    restrict: int | None,
    fold: bool,
    function: str,
) -> list[str | None]:
    """The answers to questions of rows, folded as the words are."""
    words = model.index_to_key

    def spelled(word: str) -> str:
        return word.upper() if fold else word

    among = min(restrict or len(model), len(model))
    if function == "most_similar" and len(known) == among:
        # No two words differ in their case alone, so the best row is the answer.
        rows = np.frombuffer(model._model.analogies(questions.tobytes(), among), np.uint32)
        return [None if row == _NONE else spelled(words[row]) for row in rows.tolist()]
    answers: list[str | None] = []
    for a, b, c in questions.tolist():
        best = getattr(model, function)(
            positive=[b, c], negative=[a], topn=5, restrict_vocab=restrict
        )
        theirs = {spelled(words[row]) for row in (a, b, c)}
        folded = (spelled(word) for word, _ in best)
        answers.append(next((word for word in folded if word in known and word not in theirs), None))
    return answers


def word_pairs(
    model: Model,
    path: str | os.PathLike[str],
    delimiter: str,
    encoding: str,
    restrict: int | None,
    fold: bool,
    dummy: bool,
) -> tuple[Any, Any, float]:
    from scipy import stats

    known = _known(model, restrict, fold)
    grades: list[float] = []
    cosines: list[float] = []
    unknown = 0
    with open(path, encoding=encoding) as lines:
        for line in lines:
            cells = line.strip().split(delimiter)
            if line.startswith("#") or len(cells) != 3:
                continue
            a, b = (cell.upper() if fold else cell for cell in cells[:2])
            try:
                grade = float(cells[2])
            except ValueError:
                continue
            if a in known and b in known:
                cosines.append(model.similarity(known[a], known[b]))
                grades.append(grade)
            else:
                unknown += 1
                if dummy:
                    cosines.append(0.0)
                    grades.append(grade)
    if not grades:
        raise ValueError(f"{os.fspath(path)}: no pair of words that are known")
    missing = 100 * unknown / (len(grades) if dummy else len(grades) + unknown)
    return stats.pearsonr(grades, cosines), stats.spearmanr(grades, cosines), missing
