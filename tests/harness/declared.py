"""Columns as an operator declares them, by Python's decimal and datetime:

    declared.py write FILE COLUMNS MARK SEED     writes random rows
    declared.py compare FILE COLUMNS MARK DB     prints every cell of table "drop" of the SQLite DB that means something else

COLUMNS is a JSON object: the name of each column and its type, `decimal` or `timestamp:%d.%m.%Y %H:%M`. MARK is
the decimal mark. Python's strftime and strptime agree with ours on the directives that are used here.
"""

import csv
import datetime
import decimal
import json
import random
import sqlite3
import sys

ROWS = 500


def some(kind):
    if random.random() < 0.1:
        return ""
    name, _, form = kind.partition(":")
    if name == "decimal":
        digits = "".join(random.choice("0123456789") for _ in range(random.randint(1, 40)))
        point = random.randint(0, len(digits) - 1)
        whole, fraction = digits[:point].lstrip("0") or "0", digits[point:]
        return random.choice(["", "-"]) + whole + MARK + fraction
    zone = datetime.timezone(datetime.timedelta(minutes=random.randint(-14 * 60, 14 * 60)))
    time = datetime.datetime(1970, 1, 1, tzinfo=zone) + datetime.timedelta(
        days=random.randint(-300, 35_000), seconds=random.randint(0, 86_399), microseconds=random.randint(0, 999_999)
    )
    return time.strftime(form)


def meant(kind, text):
    """What the file says."""
    name, _, form = kind.partition(":")
    if text == "":
        return None
    if name == "decimal":
        return decimal.Decimal(text.replace(MARK, ".")).as_tuple()
    time = datetime.datetime.strptime(text, form)
    return time.date() if name == "date" else (time.replace(tzinfo=None), time.utcoffset())


def kept(kind, value):
    """What the database says, by ISO 8601."""
    name = kind.partition(":")[0]
    if value is None:
        return None
    if not isinstance(value, str):
        return f"not kept as a text: {value!r}"
    if name == "decimal":
        return decimal.Decimal(value).as_tuple()
    if name == "date":
        return datetime.date.fromisoformat(value)
    time = datetime.datetime.fromisoformat(value)
    return (time.replace(tzinfo=None), time.utcoffset())


def write(path, columns, seed):
    random.seed(seed)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(columns)
        writer.writerows([some(kind) for kind in columns.values()] for _ in range(ROWS))


def compare(path, columns, database):
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter=";"))[1:]
    quoted = ", ".join(f'"{name}"' for name in columns)
    found = sqlite3.connect(database).execute(f'SELECT {quoted} FROM "drop" ORDER BY rowid').fetchall()
    if len(rows) != ROWS or len(found) != ROWS:
        print(f"{len(rows)} rows in the file, {len(found)} in the table")
    for number, (texts, values) in enumerate(zip(rows, found), 1):
        for (name, kind), text, value in zip(columns.items(), texts, values):
            if meant(kind, text) != kept(kind, value):
                print(f"row {number}, {name} ({kind}): {text!r} became {value!r}")


COLUMNS, MARK = json.loads(sys.argv[3]), sys.argv[4]
if sys.argv[1] == "write":
    write(sys.argv[2], COLUMNS, int(sys.argv[5]))
else:
    compare(sys.argv[2], COLUMNS, sys.argv[5])
