"""Trains small models of each kind with fastText, and prints the names of the files as a JSON list.

Usage: train_fasttext.py FOLDER

fastText leaves memory unset when it has fewer than ten threads, or when ten does not divide the size of a matrix.
"""

import json
import pathlib
import random
import sys

import fasttext

folder = pathlib.Path(sys.argv[1])
draw = random.Random(7)
parts = ["ka", "lo", "mi", "ñu", "ß", "ре", "言", "葉", "🐈", "st", "ing", "e"]
words = sorted({"".join(draw.choices(parts, k=draw.randint(1, 5))) for _ in range(1500)})
lines = [draw.choices(words, k=12) for _ in range(3000)]
text, labelled = folder / "text.txt", folder / "labelled.txt"
text.write_text("".join(" ".join(line) + "\n" for line in lines), encoding="utf-8")
labelled.write_text(
    "".join(f"__label__{len(line[0]) % 3} {' '.join(line)}\n" for line in lines), encoding="utf-8"
)
names = []


def save(model, name):
    model.save_model(str(folder / name))
    names.append(name)


common = {"minCount": 1, "thread": 10, "epoch": 2, "verbose": 0}
for name, method, settings in [
    ("skip-gram.bin", "skipgram", {"dim": 20, "bucket": 3000, "minn": 2, "maxn": 5}),
    ("cbow.bin", "cbow", {"dim": 10, "bucket": 1000}),
    ("tree.bin", "skipgram", {"dim": 10, "bucket": 500, "minn": 1, "maxn": 3, "loss": "hs"}),
    ("words.bin", "skipgram", {"dim": 10, "maxn": 0}),
]:
    save(fasttext.train_unsupervised(str(text), model=method, **settings, **common), name)

# The length of a row and that of its parts: with and without a shorter last part.
for name, settings, quantisation in [
    ("plain", {"dim": 10, "bucket": 2000, "minn": 2, "maxn": 4}, {"dsub": 3}),
    ("pruned", {"dim": 10, "bucket": 2000, "minn": 2, "maxn": 4}, {"cutoff": 900, "dsub": 4}),
    ("norms", {"dim": 10, "bucket": 2000, "minn": 2, "maxn": 4}, {"qnorm": True, "cutoff": 700}),
    ("output", {"dim": 20, "bucket": 2000, "minn": 3, "maxn": 3}, {"qnorm": True, "qout": True}),
    ("phrases", {"dim": 20, "bucket": 2000, "wordNgrams": 2}, {"cutoff": 600}),
]:
    # A quantised output needs a label for each centroid.
    if name == "output":
        labelled.write_text(
            "".join(f"__label__{i % 300} {' '.join(line)}\n" for i, line in enumerate(lines)), encoding="utf-8"
        )
    model = fasttext.train_supervised(str(labelled), **settings, **common)
    save(model, f"{name}.bin")
    model.quantize(**quantisation)
    save(model, f"{name}.ftz")

json.dump(names, sys.stdout)
