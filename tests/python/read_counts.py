"""Reads a file of counts with no help of wordloom, and prints rows, columns and counts as JSON.

Usage: read_counts.py FILE
"""

import json
import sys

import numpy
import safetensors.numpy

file = safetensors.numpy.load_file(sys.argv[1])
counts, ends = file["counts"], file["row.ends"]
rows = numpy.repeat(numpy.arange(len(ends)), numpy.diff(ends, prepend=ends.dtype.type(0)).astype(int))
json.dump([rows.tolist(), counts[:, 0].tolist(), counts[:, 1].view(numpy.float32).tolist()], sys.stdout)
