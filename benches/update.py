#!/usr/bin/env python3
"""What `train --update` does to old and new words, beside training at once.

    python3 benches/update.py TEXT SETS... [--share 0.6] [--seeds 3] [--method skip-gram]

A model of the first share of TEXT is updated with the rest, at several learning rates. All models are scored on all
items of the sets, and on the items with a word that is new in the updated model. Prints the mean, the standard
deviation over seeds, and how many items are used."""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile

RATES = ["0.025", "0.0125", "0.005"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text")
    parser.add_argument("sets", nargs="+")
    parser.add_argument("--share", type=float, default=0.6)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--method", default="skip-gram")
    options = parser.parse_args()
    binary = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../target/release/wordloom")
    text, sets = os.path.abspath(options.text), [os.path.abspath(path) for path in options.sets]
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(os.environ, WORDLOOM_CACHE=os.path.join(folder, "cache"))

        def ask(*arguments):
            done = subprocess.run([binary, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"{arguments}: {done.stderr}")
            return done.stdout

        def words(model):
            ask("convert", model, "words.vec")
            with open(os.path.join(folder, "words.vec"), encoding="utf-8", errors="replace") as file:
                return {line.split(" ", 1)[0] for line in file.read().split("\n")[1:] if line}

        def with_new_words(old, updated):
            """Sets of the items that have a new word, where there are enough."""
            made = []
            for path in sets:
                with open(path, encoding="utf-8") as file:
                    lines = file.read().split("\n")
                new = lambda line: any(word in updated - old for word in line.lower().replace(",", " ").split())
                kept = [line for line in lines if line.startswith(":") or new(line)]
                if sum(not line.startswith(":") for line in kept) >= 20:
                    made.append(os.path.join(folder, "new-" + os.path.basename(path)))
                    with open(made[-1], "w", encoding="utf-8") as file:
                        file.write("\n".join(kept))
            return made

        with open(text, "rb") as file:
            whole = file.read()
        cut = whole.rindex(b" ", 0, int(len(whole) * options.share))
        for name, part in [("old.txt", whole[:cut]), ("new.txt", whole[cut:])]:
            with open(os.path.join(folder, name), "wb") as file:
                file.write(part)
        rows, new_sets = {}, None
        for seed in map(str, range(1, options.seeds + 1)):
            train = lambda *arguments: ask("train", *arguments, "-q")
            method = [options.method, "--seed", seed]
            train(*method, "old.txt", "-o", "first")
            train(*method, text, "-o", "once")
            train(*method, text, "-o", "init", "--init", "first")
            train(*method, "new.txt", "-o", "rest")
            models = {"first part alone": "first", "all at once": "once", "all, --init first part": "init", "rest alone": "rest"}
            for rate in RATES:
                model = models[f"--update --lr {rate}"] = "update-" + rate.replace(".", "-")
                train("--update", "first", "new.txt", "-o", model, "--lr", rate)
            models["--update --freeze"] = "frozen"
            train("--update", "first", "new.txt", "-o", "frozen", "--freeze")
            if new_sets is None:
                old, updated = words("first"), words("frozen")
                print(f"words: first part {len(old)}, updated {len(updated)}, at once {len(words('once'))}")
                new_sets = with_new_words(old, updated)
            for name, model in models.items():
                scored = json.loads(ask("eval", model, *sets, "--json", "--draws", "100"))["models"][0]["sets"]
                # A model that knows none of the items makes eval fail, and says so by its numbers here.
                done = subprocess.run([binary, "eval", model, *new_sets, "--json", "--draws", "100"], cwd=folder, env=environment, capture_output=True, text=True)
                scored += json.loads(done.stdout)["models"][0]["sets"]
                score = lambda of: 100 * of["scores"][0]["score"] if of["used"] else math.nan
                rows.setdefault(name, []).append({of["name"]: (score(of), of["used"]) for of in scored})
        for name, runs in rows.items():
            print(name)
            for of in runs[0]:
                scores = [run[of][0] for run in runs]
                spread = statistics.stdev(scores) if len(scores) > 1 and not math.isnan(scores[0]) else 0.0
                print(f"    {of:24} {sum(scores) / len(scores):6.1f} ±{spread:.1f}  ({runs[0][of][1]} items)")


if __name__ == "__main__":
    main()
