#!/usr/bin/env python3
"""Vectors of documents: quality, speed and memory of wordloom beside gensim's Doc2Vec, in one run.

    benches/documents.py lee  WORDS.tsv SIMILARITY.tsv      documents t0, t1... and people's similarities of them
    benches/documents.py imdb WORDS.tsv [--rounds 3] [--epochs 10]

WORDS.tsv has a document a line, `id<TAB>text`, whose words are apart by spaces. Of IMDB, ids are
`train-neg-17` and the like, in any order; gensim gets the documents shuffled once, wordloom as they
are. Needs numpy, scipy, scikit-learn and gensim. WORDLOOM names the program.
"""
import argparse, json, os, random, resource, statistics, subprocess, sys, tempfile, time

import numpy as np

PROGRAM = os.environ.get("WORDLOOM", "target/release/wordloom")
FOLDER = tempfile.mkdtemp()
CACHE = os.path.join(FOLDER, "cache")


def wordloom(*arguments):
    """Runs wordloom. Returns what it printed, its seconds, and its peak of memory in bytes."""
    begun = time.time()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen([PROGRAM, *map(str, arguments)], stdout=subprocess.PIPE, stderr=said, text=True)
        out = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            said.seek(0)
            sys.exit(f"failed: {' '.join(map(str, arguments))}: {said.read()}")
    return out, time.time() - begun, usage.ru_maxrss * 1024


def vectors(path):
    with open(path, encoding="utf-8") as file:
        next(file)
        rows = [line.rstrip("\n").split(" ") for line in file]
    return {row[0]: np.array(row[1:], dtype=np.float32) for row in rows}


def train(method, words, options):
    """The history of a training and the vectors of its documents."""
    model, out = os.path.join(FOLDER, "m.safetensors"), os.path.join(FOLDER, "m.vec")
    printed, seconds, memory = wordloom(
        "train", *method.split(), words, "-q", "--json", "--cache", CACHE, "-o", model, *options)
    wordloom("convert", model, out, "--tags")
    about = json.loads(printed)
    return about, vectors(out), memory


def read(path):
    with open(path, encoding="utf-8") as file:
        return [line.rstrip("\n").split("\t") for line in file]


def spread(values):
    some = [v for v in values]
    return f"{statistics.mean(some):.3f} ± {statistics.stdev(some) if len(some) > 1 else 0:.3f}"


def lee(args):
    from scipy.stats import pearsonr, spearmanr

    human, upper = np.loadtxt(args.similarity), np.triu_indices(50, 1)
    documents = read(args.words)
    old, new = os.path.join(FOLDER, "old.tsv"), os.path.join(FOLDER, "new.tsv")
    for path, kind in [(old, "b"), (new, "t")]:
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f"{i}\t{text}\n" for i, text in documents if i[0] == kind)

    def score(of):
        m = np.array([of[f"t{i}"] for i in range(50)], dtype=np.float64)
        m /= np.linalg.norm(m, axis=1, keepdims=True)
        found = (m @ m.T)[upper]
        return pearsonr(found, human[upper])[0], spearmanr(found, human[upper])[0]

    first = {}
    for i, text in documents:
        first.setdefault(text, i)
    doubles = {i for i, text in documents if sum(text == other for _, other in documents) > 1}
    for method in ["pv-dbow", "pv-dbow --words", "pv-dm"]:
        trained, inferred, ranks = [], [], []
        for seed in args.seeds:
            options = ["--dim", 50, "--epochs", 40, "--min-count", 2, "--subsample", 0.001, "--seed", seed]
            options += args.options.split()
            trained.append(score(train(method, args.words, options)[1]))
            _, own, _ = train(method, old, options)
            model, out = os.path.join(FOLDER, "m.safetensors"), os.path.join(FOLDER, "new.vec")
            wordloom("infer", model, "--input", new, "-q", "-o", out)
            inferred.append(score(vectors(out)))
            wordloom("infer", model, "--input", old, "-q", "-o", out)
            names = list(own)
            unit = lambda m: m / np.linalg.norm(m, axis=1, keepdims=True)
            all_old, again = unit(np.array([own[n] for n in names])), vectors(out)
            found = unit(np.array([again[n] for n in names])) @ all_old.T
            ranks.append(sum(names[np.argmax(row)] == n for n, row in zip(names, found) if n not in doubles))
        text = [f"{what} Pearson {spread([a for a, _ in of])} Spearman {spread([b for _, b in of])}"
                for what, of in [("trained", trained), ("inferred", inferred)]]
        print(f"{method:16} {'; '.join(text)}; themselves first {ranks} of {300 - len(doubles & {i for i, _ in documents if i[0] == 'b'})}", flush=True)


def gensim_model(documents, dm, epochs, seed=1):
    from gensim.models.doc2vec import Doc2Vec, TaggedDocument

    tagged = [TaggedDocument(text.split(), [i]) for i, text in documents]
    random.Random(seed).shuffle(tagged)
    model = Doc2Vec(dm=dm, vector_size=100, negative=5, sample=0, min_count=2, workers=2, seed=seed,
                    epochs=epochs, dm_mean=1)
    model.build_vocab(tagged)
    begun = time.time()
    model.train(tagged, total_examples=model.corpus_count, epochs=epochs)
    return model, tagged, sum(len(d.words) for d in tagged) * epochs / (time.time() - begun)


def imdb(args):
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    def error(of):
        def split(kind):
            names = [n for n in of if n.startswith(kind) and not n.startswith(f"{kind}-unsup")]
            return np.array([of[n] for n in names], np.float64), np.array(["-pos-" in n for n in names])
        (x, y), (xt, yt) = split("train"), split("test")
        scale = StandardScaler().fit(x)
        model = LogisticRegression(C=1, max_iter=2000).fit(scale.transform(x), y)
        return 100 * float((model.predict(scale.transform(xt)) != yt).mean())

    documents = read(args.words)
    settings = ["--dim", 100, "--min-count", 2, "--subsample", 0]
    for method, dm in [("pv-dbow", 0), ("pv-dm", 1)]:
        speeds, peers = [], []
        for _ in range(args.rounds):
            about, _, memory = train(method, args.words, [*settings, "--epochs", 1])
            speeds.append(about["words_per_second"])
            peers.append(gensim_model(documents, dm, 1)[2])
        ratio = statistics.median(a / b for a, b in zip(speeds, peers))
        print(f"{method}: {statistics.median(speeds) / 1e6:.2f} M words/s, gensim {statistics.median(peers) / 1e6:.2f}, "
              f"{ratio:.1f} times; peak {memory / 1e6:.0f} MB", flush=True)
        errors = []
        for seed in args.seeds:
            about, of, memory = train(method, args.words, [*settings, "--epochs", args.epochs, "--seed", seed])
            errors.append(error(of))
        print(f"{method}: error {spread(errors)} % {[round(e, 2) for e in errors]}, {args.epochs} epochs, peak {memory / 1e6:.0f} MB", flush=True)
        if dm == 0:
            new = os.path.join(FOLDER, "new.tsv")
            some = documents[::10]
            with open(new, "w", encoding="utf-8") as file:
                file.writelines(f"{i}\t{text}\n" for i, text in some)
            model = os.path.join(FOLDER, "m.safetensors")
            ours = [wordloom("infer", model, "--input", new, "-q", "-o", os.path.join(FOLDER, "n.vec"))[1]
                    for _ in range(3)]
            peer, _, speed = gensim_model(documents, 0, 1)
            begun = time.time()
            for _, text in some[:300]:
                peer.infer_vector(text.split(), epochs=args.epochs)
            theirs = (time.time() - begun) / 300 * len(some)
            ours = statistics.median(ours)
            print(f"infer {len(some):,} documents, {args.epochs} epochs: {ours:.1f} s, gensim {theirs:.0f} s "
                  f"(of 300), {theirs / ours:.1f} times", flush=True)


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("what", choices=["lee", "imdb"])
parser.add_argument("words")
parser.add_argument("similarity", nargs="?")
parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--options", default="")
options = parser.parse_args()
lee(options) if options.what == "lee" else imdb(options)
