"""ClickHouse inside this process (chdb), driven by JSON lines; clickhouse.ts is the other end.

argv[1]: folder of the database. Each line of stdin is one of
  {"sql": "..."}                          runs a statement        -> {"text": CSV}
  {"sql": "...", "rows": "..."}           inserts rows of TSV     -> {"text": ""}
  {"queries": ["...", ...], "clients": n} n threads share them    -> {"ms": [latency of each, in order]}
"""

import json
import sys
import threading
import time

from chdb import session

database = session.Session(sys.argv[1])


def ask(queries, clients):
    """Latencies in ms as a thread of this process sees them: no network and no client library lie between."""
    latencies = [0.0] * len(queries)
    waiting = iter(enumerate(queries))
    lock = threading.Lock()

    def client():
        while True:
            with lock:
                number, sql = next(waiting, (None, None))
            if sql is None:
                return
            begun = time.perf_counter()
            database.query(sql, "CSV").bytes()
            latencies[number] = (time.perf_counter() - begun) * 1000

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return latencies


def answer(request):
    if "queries" in request:
        return {"ms": ask(request["queries"], request["clients"])}
    if "rows" in request:
        database.query(request["sql"] + " FORMAT TabSeparated\n" + request["rows"])
        return {"text": ""}
    return {"text": database.query(request["sql"], "CSV").bytes().decode()}


for line in sys.stdin:
    try:
        reply = answer(json.loads(line))
    except Exception as error:  # the other end decides what an error means
        reply = {"error": str(error)}
    print(json.dumps(reply), flush=True)
database.close()
