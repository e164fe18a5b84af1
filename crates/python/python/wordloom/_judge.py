"""Models on sets of questions, and beside each other."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from . import _wordloom
from ._model import Model

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def _listed(paths: Paths) -> list[str]:
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    return [os.fspath(path) for path in paths]


def evaluate(
    model: Model,
    sets: Paths,
    *,
    restrict: int | None = None,
    unknown: str = "compose",
    draws: int = 10_000,
    seed: int = 1,
    strict: bool = False,
) -> dict[str, Any]:
    """Scores a model on sets of questions: files, or folders with some.

    Returns ``{"sets": [...], "left_out": [...]}``. Each set has its ``name``, ``kind``, number of
    ``items``, how many were ``used``, and ``scores``: a ``measure``, its ``score`` and the 95 %
    ``interval`` by the bootstrap with ``draws`` draws. ``unknown`` says what becomes of an item with
    an unknown word: ``compose``, ``skip`` or ``zero``. :func:`scores` makes a data frame of it.
    """
    found = _wordloom.evaluate(
        model._model, _listed(sets), restrict, unknown, draws, seed, strict
    )
    return dict(json.loads(found))


def compare(
    models: Mapping[str, Model] | Iterable[Model],
    sets: Paths,
    *,
    restrict: int | None = None,
    unknown: str = "compose",
    draws: int = 10_000,
    seed: int = 1,
    apart: bool | None = None,
) -> dict[str, Any]:
    """Compares models on sets of questions: scores with intervals, differences with p-values.

    ``models`` are given by their names, or in a list. Those of a list that differ in their seed alone
    are runs of one method; ``apart`` says whether each is to stand by itself, as those with names do.
    """
    if isinstance(models, Mapping):
        named = dict(models)
    else:
        named = {f"model {number}": model for number, model in enumerate(models, 1)}
    found = _wordloom.compare(
        [model._model for model in named.values()],
        list(named),
        _listed(sets),
        restrict,
        unknown,
        draws,
        seed,
        isinstance(models, Mapping) if apart is None else apart,
    )
    return dict(json.loads(found))


def scores(found: dict[str, Any]) -> Any:
    """What :func:`evaluate` returned as a data frame of pandas, a row for each measure."""
    import pandas

    rows = [
        {
            "set": one["name"],
            "kind": one["kind"],
            "items": one["items"],
            "used": one["used"],
            "measure": score["measure"],
            "score": score["score"],
            "low": score["interval"][0],
            "high": score["interval"][1],
        }
        for one in found["sets"]
        for score in one["scores"]
    ]
    return pandas.DataFrame(rows)
