"""The Python package beside gensim, in one run: python3 benches/python.py TEXT QUESTIONS PROGRAM

TEXT is a corpus with a sentence in each line, QUESTIONS a file of analogies, and PROGRAM the built
command. Wants wordloom, gensim and NumPy. Each figure is the median of several turns.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import gensim
import numpy as np
from gensim.models import KeyedVectors

import wordloom

text, questions, program = sys.argv[1:4]
folder = Path(tempfile.mkdtemp())


def timed(ask, turns):
    taken = []
    for turn in range(turns):
        begun = time.perf_counter()
        ask(turn)
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def timed_alone(ask, turns):
    time.sleep(0.3)
    return timed(ask, turns)


def beside(name, ours, theirs, turns):
    # The second question is the one for which a sketch is made.
    ours(0), ours(1), theirs(0)
    # By rounds, so that both have the same machine. The threads of the other go on waiting busily for
    # a while, so each begins when it is quiet.
    rounds = [(timed_alone(ours, turns), timed_alone(theirs, turns)) for _ in range(5)]
    a, b = (statistics.median(column) for column in zip(*rounds))
    print(f"{name:<44} {a * 1e3:10.3f} ms  gensim {b * 1e3:10.3f} ms  {b / a:6.1f}x", flush=True)


print(f"wordloom {wordloom.__version__}, gensim {gensim.__version__}, NumPy {np.__version__}")
random = np.random.default_rng(1)
for rows, dim in ((68_000, 100), (1_000_000, 300)):
    words = [f"w{n}" for n in range(rows)]
    vectors = random.standard_normal((rows, dim), dtype=np.float32)
    file = folder / "m.safetensors"
    wordloom.Model(words, vectors).save(file)
    begun = time.perf_counter()
    model = wordloom.open(file)
    first = model.most_similar("w7")
    opened = time.perf_counter() - begun
    theirs = KeyedVectors(dim)
    theirs.index_to_key, theirs.vectors = words, vectors
    theirs.key_to_index = {word: row for row, word in enumerate(words)}
    theirs.fill_norms()
    assert [word for word, _ in first] == [word for word, _ in theirs.most_similar("w7")]
    size = f"{rows:,} x {dim}"
    beside(f"most_similar, {size}", lambda turn: model.most_similar(f"w{turn}"),
           lambda turn: theirs.most_similar(f"w{turn}"), 31)
    one = timed(lambda turn: model.most_similar(f"w{turn}"), 11)
    print(f"open and first answer, {size}: {1e3 * opened:.1f} ms, {1e3 * (opened - one):.1f} ms more than a query")
    if rows == 1_000_000:
        asked = vectors[:1000]
        beside("1,000 queries at once", lambda turn: model.nearest(asked, 10),
               lambda turn: [theirs.similar_by_vector(row) for row in asked[:50]], 1)
        print("  (gensim: 50 of the queries; multiply by 20)")
    del model, theirs, vectors

def lines():
    with open(text, encoding="utf8") as file:
        for line in file:
            yield line.split()


settings = dict(dim=100, epochs=5, threads=2, reproducible=True)
taken = {"generator": [], "command": []}
for turn in range(3):
    begun = time.perf_counter()
    model = wordloom.train("skip-gram", lines(), progress=False, **settings)
    taken["generator"].append(time.perf_counter() - begun)
    begun = time.perf_counter()
    subprocess.run([program, "train", "skip-gram", text, "-o", folder / "c.safetensors", "--threads", "2",
                    "--reproducible", "--no-cache", "--quiet"], check=True)
    taken["command"].append(time.perf_counter() - begun)
command = wordloom.open(folder / "c.safetensors")
same = list(command) == list(model) and (command.vectors == model.vectors).all()
a, b = (statistics.median(taken[name]) for name in ("generator", "command"))
print(f"train from a generator {a:.1f} s, the command {b:.1f} s: {a / b:.2f}; the same vectors: {same}")
taken = {"generator": [], "command": []}
for turn in range(3):
    begun = time.perf_counter()
    wordloom.train("skip-gram", lines(), progress=False, dim=100, epochs=5, threads=2)
    taken["generator"].append(time.perf_counter() - begun)
    begun = time.perf_counter()
    subprocess.run([program, "train", "skip-gram", text, "-o", folder / "d.safetensors", "--threads", "2",
                    "--no-cache", "--quiet"], check=True)
    taken["command"].append(time.perf_counter() - begun)
a, b = (statistics.median(taken[name]) for name in ("generator", "command"))
print(f"without `reproducible`: {a:.1f} s, the command {b:.1f} s: {a / b:.2f}")
theirs = model.to_gensim()
theirs.vectors = theirs.vectors.copy()
begun = time.perf_counter()
ours = model.evaluate_word_analogies(questions)
middle = time.perf_counter()
other = theirs.evaluate_word_analogies(questions)
end = time.perf_counter()
print(f"analogies: {100 * ours[0]:.3f} % in {middle - begun:.2f} s, gensim {100 * other[0]:.3f} % in "
      f"{end - middle:.1f} s: {(end - middle) / (middle - begun):.0f}x")
