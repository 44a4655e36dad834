# SPDX-License-Identifier: ISC
"""Messages between processes as bytes, read from the one table of common/proto_table.h: for tests that speak on a channel."""

import collections
import os
import re
import struct

import postern

HEADER = struct.Struct("=IHHQ")  # length, type, flags, id
FLAG_DESCRIPTOR = 1
Frame = collections.namedtuple("Frame", "type id flags payload name")


def read_table():
    with open(os.path.join(postern.TOP, "common/proto_table.h"), encoding="ascii") as file:
        text = file.read().replace("\\\n", " ")
    names = re.search(r"#define PROTO_TABLE\(T\)(.*?)(?:\n|/\*)", text, re.DOTALL)[1]
    types = re.findall(r"T\((\w+),\s*(\w+),\s*([^,]+),\s*([^,]+),\s*(\d)\)", names)
    fields = {match[1]: re.findall(r"F\((\w+),\s*(\w+),", match[2])
              for match in re.finditer(r"#define PROTO_(\w+)\(F\)(.*)", text)}
    kinds = re.findall(r"K\((\w+),\s*(\w+)\)", re.search(r"#define PROTO_KINDS\(K\)(.*)", text)[1])
    return types, fields, kinds


TABLE, FIELDS, KINDS = read_table()
TYPES = {row[0]: number for number, row in enumerate(TABLE)}
NAMES = dict(enumerate(row[0] for row in TABLE))
KIND_NUMBERS = {row[1]: number for number, row in enumerate(KINDS)}


def encode(name, **values):
    """The payload of a message; fields that are not given are zero or empty."""
    out = b""
    for kind, field in FIELDS[name]:
        value = values.pop(field, 0)
        if kind == "u64":
            out += struct.pack("<Q", value)
        elif kind == "choice":
            out += struct.pack("<I", value)
        elif kind == "boolean":
            out += bytes([value])
        else:
            value = value or b""
            value = value.encode("utf-8") if isinstance(value, str) else value
            out += struct.pack("<I", len(value)) + value
    assert not values, f"{name} has no fields {list(values)}"
    return out


def decode(name, payload):
    values, at = {}, 0
    for kind, field in FIELDS[name]:
        if kind == "u64":
            values[field] = struct.unpack_from("<Q", payload, at)[0]
            at += 8
        elif kind == "choice":
            values[field] = struct.unpack_from("<I", payload, at)[0]
            at += 4
        elif kind == "boolean":
            values[field] = payload[at]
            at += 1
        else:
            length = struct.unpack_from("<I", payload, at)[0]
            values[field] = payload[at + 4:at + 4 + length]
            at += 4 + length
    return values


def frame(name, identity, /, payload=None, flags=0, **values):
    """A whole frame of a type, by its fields or by a payload as it stands."""
    payload = encode(name, **values) if payload is None else payload
    return HEADER.pack(len(payload), TYPES[name], flags, identity) + payload


def frames(data):
    """The frames that data begins with; what is cut at its end is left out."""
    found, at = [], 0
    while at + HEADER.size <= len(data):
        length, number, flags, identity = HEADER.unpack_from(data, at)
        if number not in NAMES or at + HEADER.size + length > len(data):
            break
        payload = data[at + HEADER.size:at + HEADER.size + length]
        found.append(Frame(number, identity, flags, payload, NAMES[number]))
        at += HEADER.size + length
    return found
