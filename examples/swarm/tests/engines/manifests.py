"""Validates every object in the files given as arguments by the schemas of Kubernetes: no unknown field, no missing one."""

import sys

import kubernetes_validate
import yaml

objects = 0
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        for document in yaml.safe_load_all(file):
            try:
                kubernetes_validate.validate(document, "1.33", strict=True)
            except Exception as error:
                where = f"{path}: {document['kind']} {document['metadata']['name']}"
                sys.exit(f"{where}: {getattr(error, 'message', error)}")
            objects += 1
print(objects)
