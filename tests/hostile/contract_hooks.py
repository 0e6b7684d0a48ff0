"""What schemathesis is told in its own process (SCHEMATHESIS_HOOKS): how to write the media types of git and of commits,
and what bodies may name that exists. HEARTH_CONTRACT_BODIES is a JSON list of [pattern of the path, {field: value}]."""

import json
import os
import re

import schemathesis

BODIES = json.loads(os.environ.get("HEARTH_CONTRACT_BODIES", "[]"))


@schemathesis.serializer("application/x-git-upload-pack-request", "application/x-git-receive-pack-request")
def raw(context, value):
    return value if isinstance(value, bytes) else json.dumps(value, default=repr).encode()


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    """A list is one JSON a line."""
    if isinstance(value, bytes):
        return value
    return b"".join(json.dumps(line, default=repr).encode() + b"\n" for line in (value if isinstance(value, list) else [value]))


@schemathesis.hook
def map_body(context, body):
    wanted = next((fields for pattern, fields in BODIES if re.search(pattern, context.operation.path)), None)
    if wanted is None or len(repr(body)) % 2:
        return body
    return _with(body, wanted)


def _with(value, wanted: dict):
    if isinstance(value, dict):
        return {key: wanted[key] if key in wanted else _with(item, wanted) for key, item in value.items()}
    return [_with(item, wanted) for item in value] if isinstance(value, list) else value
