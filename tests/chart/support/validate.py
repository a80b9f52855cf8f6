"""Validates objects of Kubernetes, one JSON object a line on stdin, against the versions given as arguments, unknown fields refused.

Prints a line of JSON for each: what is wrong with it, by version; "" where it is valid.
"""

import json
import sys

import kubernetes_validate

for line in sys.stdin:
    resource = json.loads(line)
    problems = []
    for version in sys.argv[1:]:
        try:
            kubernetes_validate.validate(resource, version, strict=True)
            problems.append("")
        except kubernetes_validate.ValidationError as error:
            problems.append(f"{'.'.join(str(item) for item in error.path)}: {error.message}")
        except kubernetes_validate.SchemaNotFoundError as error:
            problems.append(str(error.message))
    print(json.dumps(problems))
