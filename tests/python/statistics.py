"""Prints what scipy finds in pairs of numbers: correlations, and a bootstrap interval of the rank correlation."""

import json
import sys

import numpy as np
from scipy import stats

x, y = np.array(json.load(open(sys.argv[1]))).T
drawn = stats.bootstrap(
    (x, y),
    lambda a, b: stats.spearmanr(a, b).statistic,
    paired=True,
    vectorized=False,
    n_resamples=4000,
    method="percentile",
    random_state=np.random.default_rng(1),
)
found = {
    "spearman": stats.spearmanr(x, y).statistic,
    "pearson": stats.pearsonr(x, y).statistic,
    "interval": list(drawn.confidence_interval),
}
print(json.dumps({name: value if isinstance(value, list) else float(value) for name, value in found.items()}))
