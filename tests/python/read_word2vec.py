"""Reads word2vec binary by the description of the format alone, and prints words and numbers as JSON.

Usage: read_word2vec.py FILE
"""

import json
import struct
import sys

with open(sys.argv[1], "rb") as file:
    count, dim = map(int, file.readline().split())
    rows = []
    for _ in range(count):
        word = b""
        while (byte := file.read(1)) != b" ":
            if not byte:
                sys.exit("the file ends within a word")
            word += byte
        numbers = struct.unpack(f"<{dim}f", file.read(4 * dim))
        rows.append([word.lstrip(b"\n").decode(), list(numbers)])
    rest = file.read()

json.dump({"count": count, "dim": dim, "rows": rows, "rest": rest.decode()}, sys.stdout)
