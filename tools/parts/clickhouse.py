"""ClickHouse inside this process (chdb), driven by JSON lines; clickhouse.ts is the other end.

Each line of stdin is a statement as a JSON string. Its answer is {"text": rows as JSON arrays} or {"error": "..."}.
"""

import json
import sys

from chdb import session

database = session.Session()
# A reader in JavaScript would round them.
database.query("SET output_format_json_quote_64bit_integers = 1")
for line in sys.stdin:
    try:
        reply = {"text": database.query(json.loads(line), "JSONCompactEachRow").bytes().decode()}
    except Exception as error:  # the other end decides what an error means
        reply = {"error": str(error)}
    print(json.dumps(reply), flush=True)
database.close()
