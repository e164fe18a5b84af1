"""Training, from files and from whatever can be iterated over."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TextIO

from . import _given, _wordloom
from ._model import Model

METHODS: dict[str, str] = dict(_wordloom.methods())
"""The methods, with what each learns from: ``text``, ``documents``, ``graph`` or ``sessions``."""

Progress = bool | Callable[[str, int, "int | None"], object]


class _Bar:
    """A line that is written anew: what is done, and how much of it."""

    def __init__(self, to: TextIO) -> None:
        self.to = to
        self.stage = ""
        self.begun = time.monotonic()
        self.width = 0

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        if stage != self.stage:
            self.stage, self.begun = stage, time.monotonic()
        speed = done / max(time.monotonic() - self.begun, 1e-3)
        share = f"{100 * done / total:3.0f} %" if total else f"{done:,}"
        line = f"{stage} {share}, {speed:,.0f} a second"
        self.to.write("\r" + line.ljust(self.width))
        self.to.flush()
        self.width = len(line)

    def end(self) -> None:
        if self.width:
            self.to.write("\r" + " " * self.width + "\r")
            self.to.flush()


def _shown(progress: Progress | None) -> Callable[[str, int, int | None], object] | None:
    if callable(progress):
        return progress
    if progress is None:
        # A notebook is no terminal, but shows a line that is written anew.
        progress = sys.stderr.isatty() or "ipykernel" in sys.modules
    return _Bar(sys.stderr) if progress else None


def _paths(source: object) -> list[str] | None:
    """The files that a source names; ``None`` if it is to be iterated over."""
    if isinstance(source, (str, os.PathLike)):
        return [os.fspath(source)]
    if isinstance(source, (list, tuple)) and source:
        if all(isinstance(one, os.PathLike) for one in source):
            return [os.fspath(one) for one in source]
    return None


def train(
    method: str,
    source: str | os.PathLike[str] | Iterable[Any],
    *,
    progress: Progress | None = None,
    cache: bool | str | os.PathLike[str] = True,
    **settings: Any,
) -> Model:
    """Trains a model by one of :data:`METHODS`.

    ``source`` is the path of a file or a folder (a ``str`` or a ``Path``), a list of ``Path``, or an
    iterable of sentences, each a list of words or one string, which is split as a line of a file
    is. The iterable is gone through once, so it may be a generator; a column of pandas, of Arrow or
    of a Hugging Face dataset is one too. For the other methods what is given is

    - documents: tuples of a name (or a list of tags) and a text (or a list of words), or objects
      with ``words`` and ``tags``, as gensim's ``TaggedDocument``;
    - sessions: lists of items, or tuples of a user and such a list;
    - graphs: edges of two nodes and perhaps a weight.

    ``progress`` is ``True`` for a line on standard error, ``False`` for none, or is called with
    ``"reading"`` or ``"training"``, how much is done, and of how much (or ``None``). Unless it is
    said, there is a line at a terminal and in a notebook. ``cache`` says whether, or where, the text
    of files is kept as it was encoded.

    All settings have the names of the command's options, with ``_`` for ``-``: ``dim``, ``window``,
    ``epochs``, ``min_count``, ``threads``, ``seed``, ``reproducible``, ``lowercase``, ``pieces``...

    Raises ``ValueError`` for a method or a setting that is not there, ``FileNotFoundError``, or
    ``KeyboardInterrupt`` when it is stopped; nothing is left behind then.
    """
    paths = _paths(source)
    learns = METHODS.get(method, "text")
    written = {name: _plain(value) for name, value in settings.items()}
    shown = _shown(progress)
    keep = cache is not False
    place = os.fspath(cache) if not isinstance(cache, bool) else None
    try:
        if paths is None and learns != "text":
            with tempfile.TemporaryDirectory(prefix="wordloom-") as folder:
                file, options = _given.written(learns, source, Path(folder))
                said = json.dumps({**options, **written})
                model, notes = _wordloom.train(
                    method, said, [file], None, shown, place, False, True
                )
        else:
            sentences = None if paths is not None else _sentences(source)
            model, notes = _wordloom.train(
                method, json.dumps(written), paths or [], sentences, shown, place, keep, False
            )
    finally:
        if isinstance(shown, _Bar):
            shown.end()
    for note in notes:
        warnings.warn(note, stacklevel=2)
    return Model._of(model)


def _sentences(source: Any) -> Iterable[str | Iterable[str]]:
    """What can be iterated over, sentence by sentence."""
    # Values of an Arrow column are no strings, but know them.
    if hasattr(source, "to_pylist") and not hasattr(source, "to_pandas_dtype"):
        if hasattr(source, "iterchunks"):
            return (one for chunk in source.iterchunks() for one in chunk.to_pylist())
        listed: Iterable[str | Iterable[str]] = source.to_pylist()
        return listed
    iterable: Iterable[str | Iterable[str]] = source
    return iterable


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return value.item()
    return list(value) if isinstance(value, tuple) else value
