#!/usr/bin/env python3
"""Ends trainings at random moments, repeats their commands until they are done, and compares the models with those of
trainings that were not ended.

    python3 benches/interrupt.py TEXT [--moments 200] [--signal KILL] [--seed 1]
        Methods that give the same bytes: the files must be the same. TEXT of some 5 MB is best.
    python3 benches/interrupt.py TEXT --race SETS... [--moments 50] [--signal TERM]
        Threads that race: every token must be learnt once in each epoch. Prints the scores of both, over three seeds.

It runs target/release/wordloom, in a folder of its own that it removes."""

import argparse
import collections
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time

SAME = {
    "skip-gram": "skip-gram --epochs 15",
    "CBOW": "cbow --epochs 25",
    "CBOW, positions": "cbow --position-weights --fixed-window --epochs 12",
    "n-grams": "fasttext --buckets 50000 --epochs 4",
    "skip-gram, f32, dim 300": "skip-gram --rows f32 --dim 300 --epochs 6",
    "GloVe": "glove --epochs 20",
    "GloVe, input": "glove --vectors input --epochs 15",
}


class Trainer:
    """Runs the command in a folder that has a cache of its own."""

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder
        self.environment = dict(os.environ, WORDLOOM_CACHE=os.path.join(folder, "cache"))

    def path(self, name):
        return os.path.join(self.folder, name)

    def ask(self, *arguments):
        done = subprocess.run(
            [self.binary, *arguments], cwd=self.folder, env=self.environment, capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(f"{arguments}: {done.stderr}")
        return done.stdout

    def end_after(self, seconds, kind, *arguments):
        """Whether a training was ended by a signal after some seconds; `None` seconds let it go to its end."""
        process = subprocess.Popen([self.binary, *arguments], cwd=self.folder, env=self.environment, stderr=subprocess.PIPE)
        try:
            said = process.communicate(timeout=seconds)[1]
        except subprocess.TimeoutExpired:
            process.send_signal(kind)
            said = process.communicate()[1]
            if process.returncode:
                return True
        if process.returncode:
            sys.exit(f"{arguments}: {said.decode()}")
        return False


def same_bytes(trainer, options, rng, kind):
    share, all_moments, all_bad = -(-options.moments // len(SAME)), 0, 0
    for name, line in SAME.items():
        train = ["train", *line.split(), "-q", "--reproducible"]
        train.insert(2, options.text)
        begin = time.time()
        trainer.ask(*train, "--checkpoint", "none", "-o", "whole")
        took = time.time() - begin
        moments, ends, bad = 0, 0, collections.Counter()
        while moments < share:
            ended = True
            while ended:
                seconds = 0.02 + rng.random() * 0.9 * took if moments < share else None
                threads = ["--threads", str(rng.choice([1, 2, 2, 3]))]
                ended = trainer.end_after(seconds, kind, *train, *threads, "--checkpoint", "0.15s", "-o", "m")
                moments += ended
            ends += 1
            with open(trainer.path("m"), "rb") as m, open(trainer.path("whole"), "rb") as whole:
                bad["other bytes"] += m.read() != whole.read()
            left = [name for name in os.listdir(trainer.folder) if name.startswith((".m", "m.")) or "checkpoint" in name]
            bad["files left"] += bool(left)
            os.remove(trainer.path("m"))
        all_moments, all_bad = all_moments + moments, all_bad + sum(bad.values())
        print(f"{name:24} {took:5.1f} s  ended {moments} times, {ends} models, {dict(bad)}", flush=True)
    print(f"{all_moments} moments, {all_bad} faults")
    return all_bad


def race(trainer, options, rng, kind):
    scores, faults = {"whole": [], "ended": []}, 0
    for seed in range(1, 4):
        train = ["train", "skip-gram", options.text, "--seed", str(seed), "-q"]
        begin = time.time()
        trainer.ask(*train, "-o", "whole")
        took, moments, share = time.time() - begin, 0, -(-options.moments // 3)
        while trainer.end_after(0.25 + rng.random() * 0.6 * took / share if moments < share else None, kind, *train, "-o", "ended"):
            moments += 1
        history = json.loads(trainer.ask("info", "ended", "--json"))["provenance"]
        once = history["tokens_seen"] == history["settings"]["epochs"] * history["corpus"]["tokens"]
        faults += not once
        print(f"seed {seed}: ended {moments} times; {history['tokens_seen']} tokens: {'each once' if once else 'WRONG'}", flush=True)
        for which, all_scores in scores.items():
            model = json.loads(trainer.ask("eval", which, *options.race, "--json", "--draws", "100"))["models"][0]
            all_scores.append({of["name"]: 100 * of["scores"][0]["score"] for of in model["sets"]})
    for which, of in scores.items():
        shown = (f"{name} {statistics.mean(s[name] for s in of):.2f} ±{statistics.stdev(s[name] for s in of):.2f}" for name in of[0])
        print(f"{which:6}", "  ".join(shown))
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text")
    parser.add_argument("--race", nargs="+", metavar="SETS")
    parser.add_argument("--moments", type=int, default=200)
    parser.add_argument("--signal", default="KILL")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.text = os.path.abspath(options.text)
    options.race = [os.path.abspath(path) for path in options.race or []]
    binary = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../target/release/wordloom")
    with tempfile.TemporaryDirectory() as folder:
        trainer, rng = Trainer(binary, folder), random.Random(options.seed)
        how = race if options.race else same_bytes
        sys.exit(how(trainer, options, rng, getattr(signal, "SIG" + options.signal)) > 0)


if __name__ == "__main__":
    main()
