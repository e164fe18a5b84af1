#!/usr/bin/env python3
"""Every figure of speed in one go, beside an older commit and beside the programs on PyPI.

    python3 benches/all.py CORPUS [--against COMMIT] [--rounds N] [--only WORDS] [--peers]

CORPUS is a text; the records of this project use 100 MB of English Wikipedia. The commit is built in
a work tree of its own under target/. In each round all programs take their turn in random order, so
what a shared machine does in the meantime meets them alike: compare within a round. The record goes
to benches/record/DATE-MACHINE.txt. `--peers` also trains with gensim and fastText, which are
installed into target/peers.
"""

import argparse
import datetime
import json
import os
import random
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILT = ROOT / "target" / "release" / "wordloom"


def run(command, **more):
    """Runs a command; returns its output, its time and its peak memory in MB."""
    begin = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **more)
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"failed: {shlex.join(map(str, command))}")
    return out, time.monotonic() - begin, usage.ru_maxrss / 1024


def machine():
    """A short name for the processor, and a line about it."""
    facts = {}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        facts.setdefault(name.strip(), value.strip())
    family, model = int(facts.get("cpu family", 0)), int(facts.get("model", 0))
    amd = {25: "zen4" if 16 <= model < 32 or model >= 96 else "zen3", 26: "zen5"}
    maker = facts.get("vendor_id", "")
    short = amd.get(family, f"amd{family}") if "AMD" in maker else f"intel{model}"
    return short, f"{os.cpu_count()} cores, {facts.get('model name')}, family {family}, model {model}"


def build(commit):
    """The program of an older commit."""
    tree = ROOT / "target" / "against" / commit
    if not tree.exists():
        subprocess.run(["git", "worktree", "add", "--detach", tree, commit], cwd=ROOT, check=True)
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=tree, check=True)
    return tree / "target" / "release" / "wordloom"


def zipf(path, types=1_000_000, tokens=20_000_000):
    """A text of `types` words whose frequencies fall as the ranks rise (Zipf's law)."""
    if path.exists():
        return
    weights = [1 / (rank + 2.7) for rank in range(types)]
    random.seed(1)
    with path.open("w") as out:
        out.write(" ".join(f"w{word}" for word in range(types)) + "\n")
        for _ in range(tokens // 1_000_000):
            words = random.choices(range(types), weights, k=1_000_000)
            for at in range(0, len(words), 20):
                out.write(" ".join(f"w{word}" for word in words[at : at + 20]) + "\n")


def training(method, *settings):
    """Words learnt in a second, as the program itself says; and peak memory."""

    def measure(program, corpus, out):
        command = [program, "train", *method.split(), corpus, "--epochs", "1", "--threads", "2"]
        said, _, memory = run([*command, *settings, "--quiet", "--json", "-o", out / "m.safetensors"])
        facts = json.loads(said)
        speed = facts.get("words_per_second") or facts.get("pairs_per_second")
        return speed / 1e6, memory

    return measure


def seconds(command, stdin=None):
    """The inverse of the time of a whole command, so that more is better; and peak memory."""

    def measure(program, _corpus, out):
        words = [str(out / word[1:]) if word.startswith("@") else word for word in command.split()]
        given = open(out / stdin, "rb") if stdin else subprocess.DEVNULL
        _, took, memory = run([program, *words], stdin=given)
        return 1 / took, memory

    return measure


ONE = ("--epochs", "1")
TRAININGS = {
    "skip-gram, dim 100": training("skip-gram"),
    "skip-gram, dim 300": training("skip-gram", "--dim", "300"),
    "CBOW, dim 100": training("cbow"),
    "CBOW, dim 300": training("cbow", "--dim", "300"),
    "n-grams 3..6": training("skip-gram", "--subwords", "3..6"),
    "GloVe, an epoch": training("glove", "--x-max", "10"),
    "reproducible skip-gram": training("skip-gram", "--reproducible"),
    "reproducible CBOW": training("cbow", "--reproducible"),
    "reproducible n-grams": training("skip-gram", "--subwords", "3..6", "--reproducible"),
}
LARGE = {
    "1 M words x 300, skip-gram": training(
        "skip-gram", "--dim", "300", "--min-count", "1", "--subsample", "0"
    ),
    "text vectors written": seconds("convert @large.st @new.vec"),
    "text vectors read": seconds("similar @large.vec w5"),
    "binary to safetensors": seconds("convert @large.bin @new.st"),
    "binary read": seconds("similar @large.bin w5"),
    "one query": seconds("similar @large.st w5"),
    "120 queries": seconds("similar @large.st", stdin="queries"),
}

GENSIM = """
import sys, time
from gensim.models import Word2Vec
corpus, sg = sys.argv[1], int(sys.argv[2])
model = Word2Vec(vector_size=100, window=5, negative=5, sample=1e-4, min_count=5, sg=sg, workers=2)
model.build_vocab(corpus_file=corpus)
begin = time.time()
model.train(corpus_file=corpus, total_examples=model.corpus_count, total_words=model.corpus_total_words, epochs=1)
print(model.corpus_total_words / (time.time() - begin) / 1e6)
"""
FASTTEXT = """
import sys, fasttext
fasttext.train_unsupervised(sys.argv[1], model="skipgram", dim=100, ws=5, neg=5, minCount=5, t=1e-4, lr=0.05,
    epoch=1, minn=3, maxn=6, bucket=2000000, thread=10, verbose=0)
"""


def peers(corpus, folder):
    """Programs from PyPI, each with the measurement that it stands beside. fastText is timed whole."""
    python = ROOT / "target" / "peers" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", python.parent.parent], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "gensim", "fasttext"], check=True)
    lines, words = folder / "lines.txt", Path(corpus).read_text(errors="replace").split()
    with lines.open("w") as out:
        for at in range(0, len(words), 1000):
            out.write(" ".join(words[at : at + 1000]) + "\n")

    def gensim(skip_gram):
        return lambda: float(run([python, "-c", GENSIM, lines, skip_gram])[0])

    def whole(command):
        return 1 / run(command)[1]

    model = folder / "p.safetensors"
    ours = [BUILT, "train", "skip-gram", corpus, "--subwords", "3..6", "--no-cache", "-q", "-o", model]
    return {
        "gensim, skip-gram": (gensim("1"), lambda: training("skip-gram")(BUILT, corpus, folder)[0]),
        "gensim, CBOW": (gensim("0"), lambda: training("cbow")(BUILT, corpus, folder)[0]),
        "fastText, n-grams, whole": (
            lambda: whole([python, "-c", FASTTEXT, corpus]),
            lambda: whole([*ours, *ONE]),
        ),
    }


def ratios(new, old):
    return [a / b for a, b in zip(new, old, strict=True)]


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    options.add_argument("corpus")
    options.add_argument("--against", metavar="COMMIT")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--only", default="", help="measure only what has one of these words, with commas")
    options.add_argument("--peers", action="store_true")
    asked = options.parse_args()
    given = [word for word in sys.argv[1:] if word != asked.corpus]
    short, about = machine()
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=ROOT, check=True)
    programs = {"now": BUILT}
    if asked.against:
        programs[asked.against] = build(asked.against)
    head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    today = datetime.date.today().isoformat()
    lines = [
        f"{today}, {about}",
        f"commit {head.stdout.strip()}: python3 benches/all.py {shlex.join([Path(asked.corpus).name, *given])}",
        "Trainings in M words (GloVe: pairs) a second, all else in 1/s of the whole command; the median of the rounds",
        "(least, most). The ratio is the median of the rounds' ratios. MB is the peak of resident memory.",
        "",
    ]

    def say(line):
        print(line, flush=True)
        lines.append(line)

    wanted = [word for word in asked.only.split(",") if word]
    chosen = lambda name: not wanted or any(word in name for word in wanted)
    with tempfile.TemporaryDirectory(dir=ROOT / "target") as folder:
        folder = Path(folder)
        tasks = [(name, measure, asked.corpus) for name, measure in TRAININGS.items() if chosen(name)]
        large = [(name, measure) for name, measure in LARGE.items() if chosen(name)]
        if large:
            text = ROOT / "target" / "zipf.txt"
            zipf(text)
            model = folder / "large.st"
            run([BUILT, "train", "skip-gram", text, "--dim", "300", "--min-count", "1", *ONE, "-q", "-o", model])
            for name in ["large.vec", "large.bin"]:
                run([BUILT, "convert", model, folder / name])
            (folder / "queries").write_text("".join(f"w{8317 * i % 1_000_000}\n" for i in range(120)))
            tasks += [(name, measure, text) for name, measure in large]
        found = {}
        for name, measure, corpus in tasks:
            measured = {program: [] for program in programs}
            for _ in range(asked.rounds):
                for program in random.sample(list(programs), len(programs)):
                    measured[program].append(measure(programs[program], corpus, folder))
            found[name] = measured
            base = [speed for speed, _ in measured.get(asked.against, measured["now"])]
            for program, values in measured.items():
                speeds = [speed for speed, _ in values]
                middle = f"{statistics.median(speeds):8.3f} ({min(speeds):.3f}, {max(speeds):.3f})"
                ratio = statistics.median(ratios(speeds, base))
                memory = max(memory for _, memory in values)
                say(f"{name:28} {program:8} {middle:28} x {ratio:5.2f} {memory:8.0f} MB")
        for method in ["skip-gram", "CBOW", "n-grams"]:
            plain = {"n-grams": "n-grams 3..6"}.get(method, f"{method}, dim 100")
            if plain in found and f"reproducible {method}" in found:
                middle = lambda name: statistics.median(speed for speed, _ in found[name]["now"])
                say(f"reproducible / plain, {method}: {middle(f'reproducible {method}') / middle(plain):.2f}")
        if asked.peers:
            for name, (peer, ours) in peers(asked.corpus, folder).items():
                both = [(ours(), peer()) for _ in range(asked.rounds)]
                each = ratios([a for a, _ in both], [b for _, b in both])
                values = "; ".join(f"{a:.3f} {b:.3f}" for a, b in both)
                say(f"beside {name:28} {values}   x {statistics.median(each):.1f}")
    record = ROOT / "benches" / "record" / f"{today}-{short}.txt"
    record.write_text("\n".join(lines) + "\n")
    print(f"written to {record.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
