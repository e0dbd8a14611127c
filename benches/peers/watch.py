"""watch.py DIR: a daemon on watchdog with four threads, as people write it. Nothing is flushed."""
import csv
import io
import json
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from watchdog.events import FileSystemEventHandler
from watchdog.observers import Observer

INBOX, RESULTS, ARCHIVE = (os.path.join(sys.argv[1], name) for name in ("inbox", "results", "archive"))
taken, lock = set(), threading.Lock()
pool = ThreadPoolExecutor(4)
stop = threading.Event()


def process(name):
    with open(os.path.join(INBOX, name), encoding="utf-8", newline="") as file:
        rows = list(csv.reader(io.StringIO(file.read(), newline="")))[1:]
    result = {"file": name, "rows": len(rows), "sum": sum(int(row[2]) for row in rows)}
    hidden = os.path.join(RESULTS, "." + name + ".tmp")
    with open(hidden, "w", encoding="utf-8") as file:
        file.write(json.dumps(result, separators=(",", ":")) + "\n")
    os.rename(hidden, os.path.join(RESULTS, name + ".json"))
    os.rename(os.path.join(INBOX, name), os.path.join(ARCHIVE, name))


def take(name):
    with lock:
        if not name.endswith(".csv") or name in taken:
            return
        taken.add(name)
    pool.submit(process, name)


class Handler(FileSystemEventHandler):
    def on_closed(self, event):
        take(os.path.basename(event.src_path))

    def on_moved(self, event):
        take(os.path.basename(event.dest_path))

    def on_created(self, event):  # a rename from elsewhere is told as this
        take(os.path.basename(event.src_path))


signal.signal(signal.SIGTERM, lambda *_: stop.set())
observer = Observer()
observer.schedule(Handler(), INBOX)
observer.start()
for waiting in sorted(os.listdir(INBOX)):
    take(waiting)
stop.wait()
observer.stop()
pool.shutdown(wait=True)
