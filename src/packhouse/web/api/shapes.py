# SPDX-License-Identifier: Apache-2.0
"""The shapes of what the management API answers, in JSON Schema: said once, told in the OpenAPI document."""

from __future__ import annotations

from typing import Any

Shape = dict[str, Any]

TEXT: Shape = {"type": "string"}
YES: Shape = {"type": "boolean"}
NUMBER: Shape = {"type": "integer"}
MOMENT: Shape = {"type": "string", "format": "date-time"}


def thing(**properties: Shape) -> Shape:
    """An object that has each of these and nothing else."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def many(of: Shape) -> Shape:
    """A list."""
    return {"type": "array", "items": of}


def perhaps(of: Shape) -> Shape:
    """That, or null."""
    return {"anyOf": [of, {"type": "null"}]}


FAULT = thing(field=TEXT, message=TEXT, reason=TEXT, help=TEXT)
PROBLEM = thing(type=TEXT, title=TEXT, status=NUMBER, detail=TEXT, code=TEXT, errors=many(FAULT))
"""What every refusal is (RFC 9457), with all faults found."""
