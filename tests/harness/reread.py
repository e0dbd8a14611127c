"""What another reader sees in files that were loaded: reread.py LIST DATABASE

LIST is a JSON array of objects: name, path, table, rows, declared. Reads each file with Python's gzip, codecs, csv and json
(zstd with the program of that name) and compares every cell with the table of the SQLite DATABASE. Prints a line for each file that
differs. NULL and the empty string are the same to Python's csv, and a number is the same however it is written.
"""

import csv
import gzip
import io
import json
import re
import sqlite3
import subprocess
import sys

csv.field_size_limit(1 << 30)
KEY = "_key"
# The web's windows-1252, which has no holes.
LATIN = ("latin1", "iso-8859-1", "windows-1252", "cp1252")


def unpacked(content):
    if content.startswith(b"\x1f\x8b"):
        return gzip.decompress(content)
    if content.startswith(b"\x28\xb5\x2f\xfd"):
        return subprocess.run(["zstd", "-dcq"], input=content, stdout=subprocess.PIPE, check=True).stdout
    return content


def decoded(content, encoding):
    if content.startswith(b"\xef\xbb\xbf"):
        return content[3:].decode("utf-8")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    if encoding in LATIN:
        one = lambda byte: bytes([byte]).decode("cp1252") if byte not in b"\x81\x8d\x8f\x90\x9d" else chr(byte)
        return "".join(map(one, content))
    return content.decode(encoding or "utf-8")


def csv_rows(text, declared):
    quote = declared.get("quote", '"')
    delimiter = {"tab": "\t"}.get(declared.get("delimiter"), declared.get("delimiter"))
    if delimiter is None and declared.get("format") == "tsv":
        delimiter = "\t"
    if delimiter is None:
        delimiter = max(",;\t|", key=re.sub('"[^"]*"', "", text).count)
    style = {"delimiter": delimiter, "escapechar": declared.get("escape"), "strict": True}
    if "comment" in declared:
        # Of the files here none has a comment's sign at the start of a line within quotes.
        text = "".join(line for line in io.StringIO(text, newline="") if not line.startswith(declared["comment"]))
    style |= {"quoting": csv.QUOTE_NONE} if quote == "none" else {"quotechar": quote}
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), **style))
    except csv.Error:
        # A last field that ends with an escaped line end is whole, but to Python only when its record is ended.
        if "escape" not in declared or text[-2:-1] != declared["escape"]:
            raise
        rows = list(csv.reader(io.StringIO(text + "\n", newline=""), **style))
    rows = rows if len(next(filter(None, rows), [])) == 1 else [row for row in rows if row]
    while rows and not rows[0]:
        rows.pop(0)
    rows = [row or [None] for row in rows]
    if declared.get("header") == "false":
        return [f"c{number}" for number, _ in enumerate(rows[0], 1)] if rows else [], rows
    if any(len(row) != len(rows[0]) for row in rows):
        raise ValueError("ragged")
    return rows[0] if rows else [], rows[1:]


class Bare(str):
    """A number or a word of JSON, as it is written."""


def refuse(word):
    raise ValueError(word)


def parsed(text):
    """Numbers as they are written, objects as tuples of pairs: nothing is lost of keys that stand twice."""
    return json.loads(text, parse_int=Bare, parse_float=Bare, parse_constant=refuse, object_pairs_hook=tuple)


def record(pairs):
    if not isinstance(pairs, tuple) or len(dict(pairs)) < len(pairs):
        raise ValueError("no object, or a key stands twice")
    return dict(pairs)


def json_rows(text, name, declared):
    stem = re.sub(r"\.(gz|zst)$", "", name)
    if declared.get("format") != "json" and not (stem.endswith(".json") and text.lstrip().startswith("[")):
        records = [parsed(line) for line in re.split(r"\r\n|\n|\r", text) if line.strip(" \t")]
    else:
        records = parsed(text) if text.strip(" \t\r\n") else []
        for step in declared.get("records", "").split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            records = records[int(step)] if isinstance(records, list) else dict(records)[step]
        if isinstance(records, tuple):
            records = [((KEY, key), *value) for key, value in records]
    rows = [record(pairs) for pairs in records]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    return columns, [[row.get(column) for column in columns] for row in rows]


def same(ours, theirs, declared):
    if isinstance(theirs, (tuple, list)):
        return isinstance(ours, str) and parsed(ours) == theirs
    if isinstance(theirs, bool):
        return ours == theirs or ours == json.dumps(theirs)
    if ours is None:
        return not theirs or (theirs == "N" and "escape" in declared)
    if isinstance(ours, int):
        return theirs == str(ours) or theirs.lower() == ("true" if ours else "false")
    if isinstance(ours, float):
        return float(theirs) == ours
    return ours == theirs


def difference(file, database):
    declared, name = file["declared"], file["name"]
    with open(file["path"], "rb") as opened:
        content = opened.read()
    try:
        text = decoded(unpacked(content), declared.get("encoding"))
        is_json = re.search(r"\.(json|jsonl|ndjson)(\.gz|\.zst)?$", name) or "json" in declared.get("format", "")
        columns, rows = json_rows(text, name, declared) if is_json else csv_rows(text, declared)
    except Exception as error:
        return f"it can't be read: {error!r}"
    if len(rows) != file["rows"]:
        return f"{len(rows)} rows, loaded are {file['rows']}"
    if not rows:
        return None
    quoted = ", ".join('"%s"' % column.replace('"', '""') for column in columns)
    ours = list(database.execute(f'SELECT {quoted} FROM "{file["table"]}" ORDER BY rowid'))
    if len(ours) != len(rows):
        return f"{len(rows)} rows, the table has {len(ours)}"
    for number, (mine, other) in enumerate(zip(ours, rows), 1):
        for column, one, two in zip(columns, mine, other):
            if not same(one, two, declared):
                return f"row {number}, column {column!r}: {two!r}, the table has {one!r}"
    return None


with open(sys.argv[1], encoding="utf-8") as opened:
    files = json.load(opened)
database = sqlite3.connect(sys.argv[2])
for file in files:
    found = difference(file, database)
    if found:
        print(f"{file['name']} ({file['path']}, {file['declared']}): {found}".replace("\n", "\\n"))
