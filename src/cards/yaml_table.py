#!/usr/bin/env python3
"""Makes yaml_table.json: YAML texts and what PyYAML's SafeLoader makes of them.

Usage: python3 yaml_table.py > yaml_table.json      (needs PyYAML 6)

What JSON has no form for is written as cards.h says: dates and times as a browser writes them,
.nan and .inf as null, binary as base64, keys the way they are spelt.
"""

import base64
import datetime
import itertools
import json
import math
import sys

import yaml


class Loader(yaml.SafeLoader):
    """SafeLoader whose mappings keep the spelling of their keys."""


def construct_mapping(loader, node):
    data = {}
    yield data
    loader.flatten_mapping(node)
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(None, None, "unhashable key", key_node.start_mark)
        loader.construct_object(key_node, deep=True)
        data[key_node.value] = loader.construct_object(value_node, deep=True)


Loader.add_constructor("tag:yaml.org,2002:map", construct_mapping)


def to_json(value):
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, datetime.datetime):
        if value.tzinfo is not None:
            value = value.astimezone(datetime.timezone.utc)
        return value.strftime("%Y-%m-%dT%H:%M:%S.") + "%03dZ" % (value.microsecond // 1000)
    if isinstance(value, datetime.date):
        return value.isoformat() + "T00:00:00.000Z"
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value


SCALARS = """
yes Yes YES yEs no No NO on On ON off OFF y n Y N true True TRUE tRue false FALSE
null Null NULL nUll ~ None none
0 1 -1 +1 -0 +0 00 01 010 -010 0o10 08 09 007 0_7 1_000 1__0 _1 1_ _1.0 _.5 -_.5 -1_000 0b101 0b102 -0b11 0b1_0
0x1F 0xfg -0xA +0xA 0x_1 0X1F 123456789012 9223372036854775807 -9223372036854775808
9223372036854775808 18446744073709551615
1:30 1:3 1:60 01:30 190:20:30 -1:30 1:30.5 1:2:3.25 0:5 12:34:56 1:30: 1:a 20:30 3:2:1
1.0 1. .5 -.5 +.5 1.5e3 1.5e+3 1.5e-3 1e5 1e-5 1.e+5 .5e+1 1_0.5 1.5_5 -1.5 +1.5 1.5.5 0.1 00.5 1e400
1.0e+400 1.0e-400 1.7976931348623157e+308 2.2250738585072014e-308 3.14159 0.30000000000000004
.inf -.inf +.inf .Inf .INF .iNf .nan .NaN .NAN .nAn inf nan NaN
2024-01-02 2024-1-2 2024-01-2 0001-01-01 9999-12-31 2000-02-29 1970-01-01 1969-12-31 2024-01-021
2024-01-02T03:04:05Z 2024-01-02t03:04:05Z 2024-01-02T3:04:05Z 2024-01-02T03:04:05.6Z
2024-01-02T03:04:05.123456Z 2024-01-02T03:04:05+02:00 2024-01-02T03:04:05-5 2024-01-02T03:04:05.Z
2024-01-02T03:04:05 2024-1-2T3:04:05 2024-01-02T03:04 2024-01-02T03:04:05+0200 1999-12-31T23:59:59.999-01:30
2024-01 2024 24-01-02 2024-01-02x
apache-2.0 cc-by-4.0 100K<n<1M en gpt-2 3.10.1 v1.0 1.2.3 1,000 10% a:b http://x.y/z @x =x <x
""".split()

SPACED = ["2024-01-02 03:04:05", "2024-01-02 03:04:05 Z", "2024-01-02   3:04:05 +1", "2024-01-02\t03:04:05",
          "2024-01-02 03:04:05.5 -02:30", "yes no", "1 2", "- ", "'yes'", '"1"', "'2024-01-02'", '"\\u00e9"',
          '"\\x41\\n\\t\\\\"', "'it''s'", "é", "日本語", "🎁", "a # comment", "a#b", "''", '""', "", "|\n  a\n  b\n",
          ">\n  a\n  b\n\n  c\n", "|-\n  a\n", "|+\n  a\n\n", ">-\n  a\n   b\n", "|2\n    a\n"]

TAGGED = ["!!str 1", "!!str yes", "!!int '3'", "!!int 0x10", "!!float 3", "!!float 1:30", "!!float '1.5'",
          "!!bool 'yes'", "!!null ''", "!!null x", "!!binary aGVsbG8=", "!!timestamp 2024-01-02", "! 12", "!!str 2024-01-02",
          "!foo bar", "!!python/object:os.system x", "!!seq [1]", "!!map {a: 1}", "!!str [1]"]

DOCUMENTS = [
    "", "\n", "# only a comment\n", "---\na: 1\n", "a: 1\n...\n", "a: 1\n---\nb: 2\n", "%YAML 1.1\n---\na: 1\n",
    "license: mit\nlanguage: en\n", "language:\n- en\n- no\n- fr\n", "tags: [a, b, 'c']\n", "a:\n  b:\n    c: 1\n",
    "a: {b: [1, {c: 2}], d: }\n", "- a\n- - b\n  - c\n-\n  - d\n", "a:\n- 1\n- 2\nb: 3\n",
    "a: 1\na: 2\n", "a: 1\nb: 2\na: 3\n", "yes: 1\nno: 2\n", "1: a\n2: b\n", "0: neg\n1: pos\n", "1.5: x\n",
    "~: x\n", "null: x\n", "2024-01-02: x\n", "? a\n: b\n", "? [a]\n: b\n", "? {a: 1}\n: b\n", "'': x\n",
    "a: &x 1\nb: *x\n", "a: &x [1, 2]\nb: *x\nc: *x\n", "a: &x {k: v}\nb: *x\n", "*x\n", "a: *nope\n",
    "a: &k key\n*k : v\n", "&a a: &b b\nc: [*a, *b]\n",
    "base: &b {x: 1, y: 2}\nd:\n  <<: *b\n  y: 3\n  z: 4\n", "d:\n  <<: {x: 1}\n  <<: {x: 2, w: 3}\n  z: 1\n",
    "a: &a {x: 1, p: 1}\nb: &b {x: 2, q: 2}\nc:\n  <<: [*a, *b]\n  r: 3\n", "d:\n  z: 1\n  <<: {z: 2, y: 3}\n",
    "d:\n  <<: 1\n", "d:\n  <<: [1]\n", "'<<': {a: 1}\n", "d:\n  <<: {}\n  a: 1\n", "d:\n  <<: []\n  a: 1\n",
    "a: &a {x: 1}\nb: &b\n  <<: *a\n  y: 2\nc:\n  <<: *b\n  z: 3\n",
    "a: [1, 2\n", "a: {b: 1\n", "a: 'x\n", 'a: "x\n', "a: b: c\n", "a:\n\t- b\n", "a: 1\n b: 2\n", "- a\nb: 1\n", "[a]]\n",
    "a: @x\n", "a: `x`\n", "a: %x\n", "a: !<tag:yaml.org,2002:str> 1\n", "a: \"\\q\"\n", "a: |\n  x\n y\n", "key\n", "42\n",
    "a: ? b\n", "{a, b: 1}\n", "[a: 1, b]\n", "[a, , b]\n", "{? a : 1}\n", "a: [\n  1,\n  2,\n]\n", "a:    spaced   \n",
    "model-index:\n- name: x\n  results:\n  - task:\n      type: text-classification\n    metrics:\n    - type: accuracy\n      value: 0.26\n",
    "configs:\n- config_name: default\n  data_files:\n  - split: train\n    path: data/train-*\n",
    "dataset_info:\n  features:\n  - name: label\n    dtype:\n      class_label:\n        names:\n          '0': neg\n          '1': pos\n",
    "title: My Space\nemoji: 🎁\ncolorFrom: blue\nsdk: gradio\nsdk_version: 4.36.1\npinned: false\n",
    "sdk_version: 4.36\n", "license: 'mit'  # comment\n", "a: >\n  folded\n  text\n\n  more\nb: 1\n", "a: |\n  - x\n  - y\n",
    "extra_gated_fields:\n  I agree: checkbox\n  Country: country\n  Date: date_picker\n",
    "a: \"multi\n  line\"\n", "a: plain\n  multi\n", "\u2028: x\n", "a:\n  - b\n - c\n", "widget:\n- text: \"Paris is <mask>.\"\n",
    "!!omap [a: 1, b: 2]\n", "x: !!set {a, b}\n",
]


def cases():
    for text in itertools.chain(SCALARS, SPACED, TAGGED):
        yield "v: " + text + "\n"
        if "\n" not in text and "#" not in text and text:
            yield "[" + text + "]\n"
    yield from DOCUMENTS


# Where cards.h promises otherwise: PyYAML raises, or makes what JSON cannot hold.
DIFFERENT = {"!!omap [a: 1, b: 2]\n", "x: !!set {a, b}\n"}
# Where libyaml's scanner, which PyYAML's C loader uses too, differs from the one in Python.
DIFFERENT |= {"[1:30:]\n", "v: 2024-01-02\t03:04:05\n", "[2024-01-02\t03:04:05]\n", "v: ! 12\n", "[! 12]\n"}


def main():
    rows = []
    for text in cases():
        if text in DIFFERENT:
            continue
        try:
            value = to_json(yaml.load(text, Loader=Loader))
            json.dumps(value, allow_nan=False)
            rows.append({"yaml": text, "json": value})
        except yaml.YAMLError:
            rows.append({"yaml": text, "error": True})
        except (ValueError, OverflowError):
            continue  # A number or date that Python cannot make: kept as text here.
    sys.stdout.write("[\n" + ",\n".join(json.dumps(row, ensure_ascii=True) for row in rows) + "\n]\n")


main()
