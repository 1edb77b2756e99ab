"""``docs/python-api.md``: every name of ``pilotfarm.api.testing``, as its source has it."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeAlias

from pilotfarm.api import endpoint, running_farm, testing
from pilotfarm.emulators import errors

HEAD: Final = """\
# Python API

Made by `make pages` from `pilotfarm.api.testing`. [testing-in-ci.md](testing-in-ci.md) is the page to begin with: the
fixture `pilotfarm` hands a test the `RunningFarm` of this page.

```python
from pilotfarm.api.testing import running

with running("tiny", seed=7) as farm:
    print(farm.endpoint("battery-001", "modbus"))
    farm.setpoint("battery-001", active_power_setpoint_w=-1500)
    print(farm.until("battery-001.active_power_w == -1500 +- 10", within_s=60), "s")
    with farm.inject("bias", device="meter-001", quantity="active_power_w", factor=1.1):
        print(farm.value("meter-001.active_power_w"), farm.reported("meter-001.active_power_w"))
```

Powers are positive when they leave the device towards the grid. Switches are 0 and 1. Seconds are site time.
[quantities.md](quantities.md) names all quantities, [faults.md](faults.md) all faults with their parameters,
[scenarios.md](scenarios.md) the words of a condition.

`value` is what is true; `reported` is what the device says, and what its masters are told of it. They differ only under
a fault of a measurement or device. Three things that a master meets are not in it: an RTU that has lost a device tells
what it last knew, faults of link and protocol change what passes on the way, and a register has its own resolution.
What a master really gets is asked by a master, at an `endpoint`.

## What stays

The names on this page, what they take and give, and the errors they raise, are promised. One of them goes, or changes
its meaning, no sooner than one minor version after a `DeprecationWarning` has said so, before 1.0 too, and from 1.0 on
with a new major version alone. A new name, or a new parameter that may be left out, may come with any version.

Not promised: the words of messages; what a site comes to, for models become better: the same seed gives the same values
with the same version; what else can be imported from pilotfarm. Names of quantities and faults, and the
[REST API](rest.md) that `client` speaks to, change as the [changelog](../CHANGELOG.md) says.
"""
FIXTURES: Final = """
## In pytest

| name | what |
|---|---|
| fixture `pilotfarm` | a `RunningFarm` for one test, paused, on free ports |
| fixture `pilotfarm_factory` | `running`, with the site of the next two rows where none is named; scope session |
| option `--pilotfarm-site` | the site of tests that name none; a path begins where pytest is called |
| setting `pilotfarm_site` | the same in pytest's file of settings, at whose folder a path begins; `tiny` if left out |
| mark `pilotfarm(...)` | what `running` is called with for `pilotfarm`; a path begins at the test's folder |
| indirect parameter | `parametrize("pilotfarm", [...], indirect=True)`: a site, or a dictionary as for the mark |

A mark of a test goes before one of its class, that before one of its module, and a parameter before all. A farm that
cannot be, or dies, is an error of the test's set-up or teardown that says why.
"""
_SOURCES: Final = (testing, running_farm, endpoint, errors)

Documented: TypeAlias = ast.ClassDef | ast.FunctionDef


def page() -> str:
    """Return the page."""
    found = {
        node.name: node
        for module in _SOURCES
        for node in ast.parse(Path(inspect.getfile(module)).read_text(encoding="utf-8")).body
        if isinstance(node, Documented)
    }
    names = sorted(testing.__all__, key=lambda name: (not name.islower(), name != "RunningFarm"))
    return HEAD + "".join(_section(found[name]) for name in names) + FIXTURES


def _section(node: Documented) -> str:
    head = f"\n## {node.name}\n\n"
    if isinstance(node, ast.FunctionDef):
        return head + _described(node)
    constructor = [each for each in _methods(node) if each.name == "__init__" and node.name == "RunningFarm"]
    parts = [head + _text(node), *(_code(node.name, each) for each in constructor)]
    rows = [*_attributes(node), *_properties(node)]
    if rows:
        parts.append("\n| attribute | type | |\n|---|---|---|\n" + "".join(map(_row, rows)))
    called = (each for each in _methods(node) if not each.name.startswith("_") and not _is_property(each))
    return "".join([*parts, *(f"\n### {node.name}.{each.name}\n\n" + _described(each) for each in called)])


def _row(attribute: tuple[str, str, str]) -> str:
    name, typed, text = attribute
    return f"| `{name}` | `{typed}` | {text} |\n".replace(" | None", " \\| None")


def _described(node: ast.FunctionDef) -> str:
    return _code(node.name, node).lstrip("\n") + "\n" + _text(node)


def _code(name: str, node: ast.FunctionDef) -> str:
    """The signature, on a line or with a line for each parameter."""
    arguments = [each for each in _arguments(node.args) if each not in ("self", "process: FarmProcess | None = None")]
    returns = "" if name == "RunningFarm" or node.returns is None else f" -> {_type(node.returns)}"
    line = f"{name}({', '.join(arguments)}){returns}"
    if len(line) > 110:
        line = f"{name}(\n" + "".join(f"    {each},\n" for each in arguments) + f"){returns}"
    return f"\n```python\n{line}\n```\n"


def _arguments(arguments: ast.arguments) -> Iterator[str]:
    first = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [*[None] * (len(first) - len(arguments.defaults)), *arguments.defaults]
    for number, (each, default) in enumerate(zip(first, defaults, strict=True), 1):
        yield _argument(each, default)
        if number == len(arguments.posonlyargs):
            yield "/"
    if arguments.kwonlyargs:
        yield "*"
    for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield _argument(each, default)
    if arguments.kwarg:
        yield f"**{_argument(arguments.kwarg, None)}"


def _argument(argument: ast.arg, default: ast.expr | None) -> str:
    typed = argument.arg if argument.annotation is None else f"{argument.arg}: {_type(argument.annotation)}"
    return typed if default is None else f"{typed} = {ast.unparse(default)}"


def _type(node: ast.expr) -> str:
    text = ast.unparse(node).replace("Names", "str | Sequence[str] | None").replace("Iterator[", "ContextManager[")
    return text.replace("PathLike[str]", "Path")


def _methods(node: ast.ClassDef) -> list[ast.FunctionDef]:
    return [each for each in node.body if isinstance(each, ast.FunctionDef)]


def _is_property(node: ast.FunctionDef) -> bool:
    return any(ast.unparse(each) in ("property", "cached_property") for each in node.decorator_list)


def _properties(node: ast.ClassDef) -> Iterator[tuple[str, str, str]]:
    for each in _methods(node):
        if _is_property(each) and not each.name.startswith("_"):
            assert each.returns is not None
            yield each.name, _type(each.returns), " ".join(_text(each).split())


def _attributes(node: ast.ClassDef) -> Iterator[tuple[str, str, str]]:
    """Fields of a class, and what its constructor sets, each with the text below it."""
    inits = [each for each in _methods(node) if each.name == "__init__"]
    types = {each.arg: each.annotation for init in inits for each in (*init.args.args, *init.args.kwonlyargs)}
    for body in (node.body, *(init.body for init in inits)):
        for statement, after in zip(body, [*body[1:], None], strict=True):
            match statement:
                case ast.AnnAssign(target=target, annotation=annotation):
                    typed: ast.expr | None = annotation
                case ast.Assign(targets=[ast.Attribute() as target], value=ast.Name(id=name)):
                    typed = types.get(name)
                case _:
                    continue
            said = ast.unparse(target).removeprefix("self.")
            if not said.startswith("_"):
                assert typed is not None, f"{node.name}.{said} has no type"
                yield said, _type(typed), _plain(_below(after))


def _below(statement: ast.stmt | None) -> str:
    """The text that stands below an attribute."""
    match statement:
        case ast.Expr(value=ast.Constant(value=str() as text)):
            return text
    return ""


def _text(node: Documented) -> str:
    return _plain(ast.get_docstring(node) or "") + "\n"


def _plain(text: str) -> str:
    return re.sub(r"``([^`]*)``", r"`\1`", text)
