"""What another reader says of a file: independent.py FILE DATABASE

Reads FILE with Python's csv or json module and prints two numbers: how many rows it has, and how many of them
are not in table "drop" of the SQLite DATABASE just like that, counted with their repetitions.
"""

import collections
import csv
import json
import sqlite3
import sys

csv.field_size_limit(1 << 30)


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        if path.endswith(".ndjson"):
            objects = [json.loads(line) for line in file]
            columns = list(dict.fromkeys(key for row in objects for key in row))
            return columns, [tuple(row.get(column) for column in columns) for row in objects]
        rows = [row for row in csv.reader(file, delimiter=";" if path.endswith("UnicodeData.csv") else ",") if row]
        return rows[0], [tuple(value or None for value in row) for row in rows[1:]]


columns, expected = rows_of(sys.argv[1])
database = sqlite3.connect(sys.argv[2])
quoted = ", ".join('"%s"' % column.replace('"', '""') for column in columns)
found = collections.Counter(
    tuple(None if value is None else str(value) for value in row)
    for row in database.execute(f'SELECT {quoted} FROM "drop"')
)
missing = collections.Counter(expected) - found
print(len(expected), sum(missing.values()))
