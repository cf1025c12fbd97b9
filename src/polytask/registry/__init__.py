"""Registry of components: their specifications, and how a name, an import path, a class or an object is resolved to a component.

Specifications refer to classes by dotted strings that are imported on use, so that `polytask methods` and the nearest-name hints do not
need torch. Help texts and tables in the docs are printed from these specifications; names of components in files are looked up in them.
"""

from polytask.registry.component import GROUPS, ComponentSpec, Range
from polytask.registry.constructor_calls import Call, Component, call_of, spelled, spelled_as
from polytask.registry.importing import add_import_path
from polytask.registry.registered import all_specs, find, load_class, names, register, specs_of
from polytask.registry.resolve import Resolved
from polytask.registry.suggestion import nearest

__all__ = [
    "GROUPS",
    "Call",
    "Component",
    "ComponentSpec",
    "Range",
    "Resolved",
    "add_import_path",
    "all_specs",
    "call_of",
    "find",
    "load_class",
    "names",
    "nearest",
    "register",
    "specs_of",
    "spelled",
    "spelled_as",
]
