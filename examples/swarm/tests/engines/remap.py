"""Runs a program of Vector's remap language, by Vector's own compiler and runtime, over the events on standard input, one JSON object a line."""

import json
import sys

import vector_vrl

with open(sys.argv[1], encoding="utf-8") as file:
    program = file.read()
checked = vector_vrl.validate_vrl(program)
if not checked.success:
    sys.exit(checked.error)
for event in vector_vrl.execute_vrl(program, [line for line in sys.stdin if line.strip()]):
    # What is no text comes as the text of its JSON.
    if "metadata" in event:
        event["metadata"] = json.loads(event["metadata"])
    print(json.dumps(event, default=str))
