"""The OpenAPI document: what schemas, routes and recorded answers say, put together.

Nothing here names an operation. Parameters, bodies and successes come from the schemas; the key and
its permission from `requires`; whether an Idempotency-Key may be left out from `key_optional`; the
statuses from what an operation takes; examples and headers from what was recorded.
"""

from __future__ import annotations

import inspect
import re
from collections import Counter
from copy import deepcopy
from http import HTTPStatus
from typing import Any

import orjson
from flask import Flask

from app.accounting.freshness import REVALIDATES
from app.auth import KEY_SPARED, PERMISSIONS
from app.blueprint import Api
from app.documentation.headers import HEADERS, references
from app.documentation.recorded import Recorded, recorded
from app.documentation.webhooks import told_webhooks
from app.idempotent import KEY_OPTIONAL

SPEC_OPTIONS = {
    "info": {
        "description": "The accounting systems' way to read the co-operative's books, and the"
        " operators' way to act. `/wp-json/daystar-accounting/v1` is another address of"
        " `/daystar-accounting/v1`. Ids and amounts are strings; refusals are"
        " `application/problem+json`. Whatever answers GET answers HEAD.",
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    },
    "servers": [{"url": "/", "description": "This server."}],
}
_WHEN = {
    400: "A parameter is wrong, the JSON is malformed, or the Idempotency-Key is missing.",
    401: "No key, or one that is wrong, revoked or expired.",
    403: "The key lacks the permission or may not come from this address; or this is plain http.",
    404: "There is no such thing.",
    405: "This address does not answer to this method.",
    409: "A rule forbids it, or the first request with this Idempotency-Key is under way.",
    410: "The cursor or position was given before the books were restored from a backup.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    422: "A field is not acceptable, or the Idempotency-Key came before with another body.",
    429: "The key has made its requests of this minute.",
    500: "A mistake of ours; it has been noted.",
    503: "The database does not answer, or a read model lags; nothing was changed.",
}
_STILL_HOLDS = "What the client has, known by its ETag, still holds."
_ID = "6f1c1df2-7a3e-5d0e-9a52-0f4b3c8e2a10"
_CONVERTER = re.compile(r"<(?:[^:>]+:)?([^>]+)>")
_METHODS = ("get", "post", "put", "patch", "delete")
_PROBLEM_SCHEMA = {
    "type": "object",
    "description": "A refusal (RFC 9457), with the fields older clients read.",
    "required": [
        *("type", "title", "status", "detail", "code", "message", "data", "request_id"),
    ],
    "properties": {
        "type": {"type": "string", "const": "about:blank"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "For programs; it does not change."},
        "message": {"type": "string", "description": "The same sentence as `detail`."},
        "data": {
            "type": "object",
            "required": ["status"],
            "properties": {"status": {"type": "integer"}},
            "additionalProperties": False,
        },
        "request_id": {"type": "string"},
        "errors": {
            "description": "By field or parameter: what is wrong with it.",
            "type": "object",
        },
    },
    "additionalProperties": False,
}
_SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key."},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same."},
    "query": {
        "type": "apiKey",
        "in": "query",
        "name": "api_key",
        "description": "For older clients; a key in an address is easily seen.",
    },
}
_BOTH_ADDRESSES = [
    {"url": "/", "description": "This server."},
    {"url": "/wp-json", "description": "The older system's address of the same."},
]
_IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "description": "New for each act: the same key with the same body is done once, and answered"
    " the same for seven days.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    "example": "0b5c9f4e-6a0d-4c59-9d0b-2f0a7c1f6e11",
}
_PARAMETERS = {
    "IfNoneMatch": {
        "in": "header",
        "name": "If-None-Match",
        "description": "The ETag of an answer one has: 304 says that it still holds.",
        "schema": {"type": "string"},
        "example": '"17000-5d2f8c01a94be77f30"',
        "required": False,
    },
    "IdempotencyKey": _IDEMPOTENCY_KEY | {"required": True},
    "IdempotencyKeyOptional": _IDEMPOTENCY_KEY | {"required": False},
}


def complete(api: Api, app: Flask) -> dict[str, Any]:
    """The document flask-smorest made, with all that it cannot know."""
    api.describe()
    document: dict[str, Any] = deepcopy(api.spec.to_dict())
    components = document["components"]
    schemas = components["schemas"]
    for known, name in api.ma_plugin.converter.refs.items():
        schemas[name].setdefault("description", inspect.getdoc(known[0]))
    for unused in ("Error", "PaginationMetadata"):  # flask-smorest's own shapes, which are not ours
        schemas.pop(unused, None)
    for schema in schemas.values():
        for field in schema.get("properties", {}).values():
            if "enum" in field:
                field.setdefault("type", "string")  # marshmallow's Enum tells its values alone
    answers = recorded()
    components["responses"] = {}
    components["headers"] = HEADERS
    components["parameters"] = _PARAMETERS
    components["securitySchemes"] = _SECURITY_SCHEMES
    components["examples"] = {name: {"value": body} for name, body in answers.problems.items()}
    schemas["Problem"] = _PROBLEM_SCHEMA
    views = {
        (_CONVERTER.sub(r"{\1}", rule.rule), method.lower()): app.view_functions[rule.endpoint]
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
    }
    operations = []
    for path, item in document["paths"].items():
        for parameter in item.get("parameters", []):
            parameter["example"] = _ID
        if path.startswith("/daystar-accounting/"):
            item["servers"] = _BOTH_ADDRESSES
        for method in set(_METHODS) & set(item):
            operation = _Operation(item[method], path, method, views[path, method], answers)
            operation.complete(schemas)
            operations.append(operation)
    _share(operations, components["responses"])
    document["webhooks"] = told_webhooks()
    return document


class _Operation:
    """One operation of the document, and what is known of it from elsewhere."""

    def __init__(
        self, told: dict[str, Any], path: str, method: str, view: Any, answers: Recorded
    ) -> None:
        self.told = told
        self.path = path
        self.permissions = getattr(view, PERMISSIONS, ())
        self._key_spared = getattr(view, KEY_SPARED, False)
        self._takes_idempotency_key = method == "post" and self.keyed
        self._key_optional = getattr(view, KEY_OPTIONAL, False)
        self._revalidates = getattr(view, REVALIDATES, False)
        self._answers = answers
        self._id: str = view.__name__

    @property
    def keyed(self) -> bool:
        return bool(self.permissions)

    def complete(self, schemas: dict[str, Any]) -> None:
        """Say all that the routes and schemas did not."""
        self.told["operationId"] = self._id
        self._say_who_may()
        self._name_parameters()
        request = self._answers.request(self._id)
        if request is not None:
            for content in self.told["requestBody"]["content"].values():
                content["example"] = request
        successes = {
            status: response
            for status, response in self.told["responses"].items()
            if status.startswith("2")
        }
        refusals = {str(status): self._refusal(str(status)) for status in self._refusals(schemas)}
        for status, response in successes.items():
            self._complete_success(status, response, schemas)
        if self._revalidates:
            headers = self._answers.answers(self._id).get("304", {}).get("headers", [])
            successes["304"] = {"description": _STILL_HOLDS, "headers": references(headers)}
        self.told["responses"] = successes | dict(sorted(refusals.items()))

    def _say_who_may(self) -> None:
        any_key: list[dict[str, list[str]]] = [{name: []} for name in _SECURITY_SCHEMES]
        if not self.keyed:
            self.told["security"] = []
            return
        self.told["security"] = [{}, *any_key] if self._key_spared else any_key
        needs = f"Needs the permission {' or '.join(f'`{each}`' for each in self.permissions)}."
        self.told["description"] = "\n\n".join(
            text for text in (self.told.get("description"), needs) if text
        )

    def _name_parameters(self) -> None:
        parameters = self.told.pop("parameters", [])
        self._takes_a_query = bool(parameters)
        # The key in the address is a way of showing it, not a filter.
        parameters = [parameter for parameter in parameters if parameter["name"] != "api_key"]
        for parameter in parameters:
            if parameter["schema"].get("type") == "array":
                parameter["explode"] = False  # separated by commas
        names = {parameter["name"] for parameter in parameters}
        self._takes_a_place = bool({"cursor", "after", "as_of"} & names)
        self._filters_the_past = "as_of" in names and bool({"status", "updated_since"} & names)
        if self._takes_idempotency_key:
            name = "IdempotencyKeyOptional" if self._key_optional else "IdempotencyKey"
            parameters.append({"$ref": f"#/components/parameters/{name}"})
        if self._revalidates:
            parameters.append({"$ref": "#/components/parameters/IfNoneMatch"})
        if parameters:
            self.told["parameters"] = parameters

    def _refusals(self, schemas: dict[str, Any]) -> set[int]:
        """What may be answered besides a success, by what the operation asks for."""
        found = {403, 405, 500, *(int(status) for status in self._answers.answers(self._id))}
        if self.keyed:
            found |= {401, 429, 503}
        if "{" in self.path or self._names_something(schemas):
            found |= {404}
        if self._takes_a_query:
            found |= {400}
        if self._takes_a_place:
            found |= {410}
        if self._filters_the_past:
            found |= {409}
        if "requestBody" in self.told:
            found |= {413, 503} | ({400, 415, 422} if self.keyed else set())
        if self._takes_idempotency_key:
            found |= {400, 409}
        return found & set(_WHEN)

    def _names_something(self, schemas: dict[str, Any]) -> bool:
        """Whether its body tells the id of something that may not be there."""
        return any(
            name.endswith("_id") and schema.get("format") == "uuid"
            for content in self.told.get("requestBody", {}).get("content", {}).values()
            for name, schema in _resolved(content["schema"], schemas).get("properties", {}).items()
        )

    def _complete_success(
        self, status: str, response: dict[str, Any], schemas: dict[str, Any]
    ) -> None:
        known = self._answers.answers(self._id).get(status, {})
        for content_type, content in response.get("content", {}).items():
            described = _resolved(content["schema"], schemas).get("description", "")
            response["description"] = described.partition("\n")[0] or response["description"]
            files = known.get("files", {})
            if content_type in files:
                content["example"] = files[content_type]
            elif "body" in known:
                content["example"] = known["body"]
        response["headers"] = references(known.get("headers", []))

    def _refusal(self, status: str) -> dict[str, Any]:
        known = self._answers.answers(self._id).get(status, {})
        names = known.get("problems") or self._answers.problems_like(status)
        content: dict[str, Any] = {"schema": {"$ref": "#/components/schemas/Problem"}}
        if names:
            content["examples"] = {
                name: {"$ref": f"#/components/examples/{name}"} for name in sorted(names)
            }
        return {
            "description": _WHEN[int(status)],
            "headers": references(self._answers.headers_like(status, keyed=self.keyed)),
            "content": {"application/problem+json": content},
        }


def _resolved(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in schema:
        return schema
    found: dict[str, Any] = schemas[schema["$ref"].rpartition("/")[2]]
    return found


def _share(operations: list[_Operation], components: dict[str, Any]) -> None:
    """Say once what several operations answer in the same words."""
    written = [
        (operation, status, orjson.dumps(response))
        for operation in operations
        for status, response in operation.told["responses"].items()
        if not status.startswith("2")
    ]
    often = Counter(text for _, _, text in written)
    names: dict[bytes, str] = {}
    for operation, status, text in written:
        if often[text] == 1:
            continue
        if text not in names:
            names[text] = _free_name(status, components, keyed=operation.keyed)
            components[names[text]] = operation.told["responses"][status]
        operation.told["responses"][status] = {"$ref": f"#/components/responses/{names[text]}"}


def _free_name(status: str, taken: dict[str, Any], *, keyed: bool) -> str:
    phrase = "".join(word.capitalize() for word in re.split(r"\W", HTTPStatus(int(status)).phrase))
    name = phrase if keyed else f"{phrase}WithoutKey"
    number = 2
    while name in taken:
        name, number = f"{phrase}{number}", number + 1
    return name
