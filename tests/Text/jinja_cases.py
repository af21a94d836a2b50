"""Fills in what each template of jinja-cases.json renders to, by Jinja itself with transformers' settings.

Usage: python3 jinja_cases.py   (needs jinja2; after adding cases with only a "template")
"""
import json
import pathlib

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment


def environment():
    made = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    made.filters["tojson"] = tojson
    made.globals["raise_exception"] = raise_exception
    return made


path = pathlib.Path(__file__).with_name("jinja-cases.json")
file = json.loads(path.read_text("utf-8"))
for case in file["cases"]:
    template = case["template"]
    case.clear()
    case["template"] = template
    try:
        case["expected"] = environment().from_string(template).render(**file["variables"])
    except Exception as error:
        case["error"] = type(error).__name__
path.write_text(json.dumps(file, ensure_ascii=False, indent=1) + "\n", "utf-8")
