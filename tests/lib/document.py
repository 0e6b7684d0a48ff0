"""Holds answers to the hub's own OpenAPI document.

Schemathesis does so for requests that it makes up (tests/hostile/contract.py); this does it for those of tests and of
real clients, whose flows no made-up request gets through.
"""

import json
from dataclasses import dataclass

import jsonschema_rs


# What the rows of src/api/operation_routes.cc answer: operations that are not built, so not in the document. Their paths
# may look like those of an operation that is.
NOT_BUILT = b"This hub does not have the operation"


@dataclass
class Operation:
    name: str  # "GET /api/{repo_type}/{namespace}/{repo}/refs"
    about: dict


class Document:
    def __init__(self, openapi: dict) -> None:
        self._openapi = openapi
        self._by_method: dict[str, list[tuple[list[str], bool, Operation]]] = {}
        for path, item in openapi["paths"].items():
            rest = any(one.get("x-rest-of-path") for one in item.get("parameters", ()))
            for method, about in item.items():
                if method != "parameters":
                    row = (path.strip("/").split("/"), rest, Operation(f"{method.upper()} {path}", about))
                    self._by_method.setdefault(method.upper(), []).append(row)
        self.operations = sorted(row[2].name for rows in self._by_method.values() for row in rows)
        self._validators: dict[str, object] = {}

    def find(self, method: str, path: str) -> Operation | None:
        """The operation of a path as it goes over the wire; as in the server, literal segments win from the left."""
        parts = path.strip("/").split("/")
        best: tuple[list[int], Operation] | None = None
        # A HEAD that has no row of its own is a GET.
        for name in (("HEAD", "GET") if method == "HEAD" else (method,)):
            for segments, rest, operation in self._by_method.get(name, ()):
                rank = self._rank(segments, rest, parts)
                if rank is not None and (best is None or rank < best[0]):
                    best = (rank, operation)
            if best:
                return best[1]
        return None

    @staticmethod
    def _rank(segments: list[str], rest: bool, parts: list[str]) -> list[int] | None:
        """0 for each literal segment, 1 for a parameter, 2 for what takes the rest; None: no match."""
        if len(parts) < len(segments) or (len(parts) > len(segments) and not rest):
            return None
        rank = []
        for index, segment in enumerate(segments):
            is_last = index == len(segments) - 1
            if segment.startswith("{"):
                if not parts[index]:
                    return None
                if segment == "{repo_type}" and parts[index] not in ("models", "datasets", "spaces"):
                    return None
                rank.append(2 if rest and is_last else 1)
            elif segment != parts[index]:
                return None
            else:
                rank.append(0)
        return rank

    def problems(self, method: str, target: str, status: int, headers: dict[str, str], body: bytes) -> list[str]:
        """What of an answer the document does not allow. `target` may hold a query; names of headers in any case."""
        path, _, _ = target.partition("?")
        operation = self.find(method, path)
        if status == 501 and NOT_BUILT in body:
            return []
        if operation is None:
            # Nothing there, or the wrong method.
            allowed = 400 <= status < 500 or method == "OPTIONS"
            return [] if allowed else [f"{status} from an address that the document does not have: {path}"]
        return [f"{operation.name}: {problem}" for problem in self._problems(operation, method, status, headers, body)]

    def _problems(self, operation: Operation, method: str, status: int, headers: dict[str, str], body: bytes) -> list[str]:
        responses = operation.about["responses"]
        response = responses.get(str(status)) or responses.get(f"{status // 100}XX")
        if response is None:
            return [f"the status {status} is not in the document: {body[:200]!r}"]
        response = self._resolve(response)
        given = {name.lower(): value for name, value in headers.items()}
        problems = [f"the header {name} is missing" for name, about in response.get("headers", {}).items()
                    if about.get("required") and name.lower() not in given]
        if method == "HEAD" or not body or status // 100 == 3:
            return problems
        content = response.get("content", {})
        media_type = given.get("content-type", "").split(";")[0].strip().lower()
        about = content.get(media_type, content.get("*/*"))
        if about is None:
            return problems + [f"the media type '{media_type}' is not in the document for {status}: {body[:200]!r}"]
        if "schema" in about:
            try:
                value = json.loads(body)
            except ValueError:
                return problems + [f"the body is not JSON: {body[:200]!r}"]
            problems += [f"{error.message} at /{'/'.join(map(str, error.instance_path))}" for error in self._validator(about["schema"]).iter_errors(value)]
        return problems

    def _resolve(self, about: dict) -> dict:
        while "$ref" in about:
            place = self._openapi
            for part in about["$ref"].removeprefix("#/").split("/"):
                place = place[part]
            about = place
        return about

    def _validator(self, schema: dict):
        key = json.dumps(schema)
        if key not in self._validators:
            self._validators[key] = jsonschema_rs.Draft202012Validator({**schema, "components": self._openapi["components"]})
        return self._validators[key]
