"""Documents, sessions and edges that a program has, written as the files that the command reads."""

from __future__ import annotations

import json
import numbers
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any


def written(learns: str, source: Any, folder: Path) -> tuple[Path, dict[str, Any]]:
    """Writes a file with what ``source`` gives into a folder. Returns the file, and the options by
    which it is read."""
    if not _lists(source):
        what = type(source).__name__
        raise TypeError(f"{learns} of {what}: give a path, or something to iterate over")
    lines, name, options = _WAYS[learns]
    path = folder / name
    users = False
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for line, has_user in lines(source):
            file.write(line + "\n")
            users = users or has_user
    return path, {**options, "user": "user"} if users else dict(options)


def _documents(source: Iterable[Any]) -> Iterator[tuple[str, bool]]:
    for number, document in enumerate(source):
        if hasattr(document, "words") and hasattr(document, "tags"):
            tags, text = document.tags, document.words
        elif isinstance(document, tuple) and len(document) == 2:
            tags, text = document
        else:
            raise TypeError(
                f"document {number} is a {type(document).__name__}: give a tuple of its name (or a "
                "list of tags) and its text, or what has words and tags, as gensim's TaggedDocument"
            )
        if isinstance(tags, (str, int)):
            tags = [tags]
        if not isinstance(text, str):
            text = [_name(word, f"document {number}") for word in text]
            for word in text:
                if word.split() != [word]:
                    raise ValueError(f"document {number} has the word {word!r}, which has a space")
            text = " ".join(text)
        named = [_name(tag, f"document {number}") for tag in tags]
        yield json.dumps({"tags": named, "text": text}, ensure_ascii=False), False


def _sessions(source: Iterable[Any]) -> Iterator[tuple[str, bool]]:
    for number, session in enumerate(source):
        user = None
        if isinstance(session, tuple) and len(session) == 2 and _lists(session[1]):
            user, session = session
        if not _lists(session):
            raise TypeError(
                f"session {number} is {session!r}: give a list of its items, or a tuple of a user and "
                "such a list"
            )
        for item in session:
            event = {"session": number, "item": _name(item, f"session {number}")}
            if user is not None:
                event["user"] = _name(user, f"session {number}")
            yield json.dumps(event, ensure_ascii=False), user is not None


def _lists(value: Any) -> bool:
    """Whether a value is something to iterate over, and no text."""
    return hasattr(value, "__iter__") and not isinstance(value, (str, bytes))


def _edges(source: Iterable[Any]) -> Iterator[tuple[str, bool]]:
    for number, edge in enumerate(source):
        if not isinstance(edge, (tuple, list)) or len(edge) not in (2, 3):
            raise TypeError(f"edge {number} is {edge!r}: give two nodes, and perhaps a weight")
        nodes = [_name(node, f"edge {number}") for node in edge[:2]]
        for node in nodes:
            if not node or node != node.strip() or node[0] in "#%" or set(node) & set("\t\r\n"):
                problem = "which a list of edges can't hold"
                raise ValueError(f"edge {number} has the node {node!r}, {problem}")
        weight = edge[2] if len(edge) == 3 else None
        if weight is not None and not isinstance(weight, numbers.Real):
            raise TypeError(f"edge {number} has the weight {weight!r}, which is no number")
        yield "\t".join(nodes if weight is None else [*nodes, repr(float(weight))]), False


_WAYS: dict[
    str, tuple[Callable[[Iterable[Any]], Iterator[tuple[str, bool]]], str, dict[str, Any]]
] = {
    "documents": (_documents, "given.jsonl", {"tag_column": ["tags"], "text_column": ["text"]}),
    "sessions": (_sessions, "given.jsonl", {"item": "item", "session": "session"}),
    "graph": (_edges, "given.tsv", {}),
}
"""For each kind, what makes lines of it, the name of the file, and the options that read it."""


def _name(value: Any, where: str) -> str:
    """A name as text. Numbers are names too."""
    if isinstance(value, str):
        return value
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        return str(int(value))
    raise TypeError(f"{where} has {value!r}, which is no name")
