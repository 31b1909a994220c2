"""What a computation's code is: the definitions that it reaches, across modules, and a hash of them.

A definition is a statement at the top level of a module: a function, a class, an assignment. From the names where a
computation starts the search goes on to every definition that they use, through imports, those inside functions and those of
packages that hand names on included. What the found definitions say counts, and nothing else: comments, docstrings,
annotations and layout do not, nor do the modules that they stand in or the lines that import them, so that moving code
changes nothing. A name from another project's package counts with the place it comes from, but is not searched.

Everything is read from the text; nothing is imported. What is only found when the code runs, such as a module imported by
a name that was put together, is not seen. Where the text leaves it open what of a module is used, all of it is.

The form in which definitions are written down is the same under every version of Python. `ast.unparse` and `ast.dump` are
not: the first writes f-strings otherwise since Python 3.12, the second empty fields since 3.13. Only the standard library is
needed here.
"""

import ast
import hashlib
import importlib.util
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_IGNORED = {"annotation", "ctx", "kind", "returns", "type_comment"}  # fields of a syntax tree that change no number
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_IMPORTS = (ast.Import, ast.ImportFrom)
_FRAMES = (ast.If, ast.Try, ast.With, ast.For, ast.While)  # statements that do nothing but by those inside


def normal(part) -> str:
    """A part of a syntax tree in words that say the same under every Python.

    Parameters
    ----------
    part : a node, a list of nodes, or what stands in a node's field.
    """
    if isinstance(part, list):
        return f"[{' '.join(normal(one) for one in part if not _is_docstring(one) and not isinstance(one, _IMPORTS))}]"
    if not isinstance(part, ast.AST):
        return ascii(part)  # what `repr` shows as it is depends on the Unicode that a Python knows
    fields = {name: getattr(part, name, None) for name in sorted(set(part._fields) - _IGNORED)}
    if isinstance(part, ast.JoinedStr):
        fields["values"] = _merged(part.values)
    kept = [name for name, value in fields.items() if value not in (None, []) or isinstance(part, ast.Constant)]
    return f"{type(part).__name__}({' '.join(f'{name}={normal(fields[name])}' for name in kept)})"


def _is_docstring(node) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _merged(values: Sequence[ast.expr]) -> list[ast.expr]:
    """The parts of an f-string without empty ones and with no two constants side by side: Pythons cut them differently."""
    merged: list[ast.expr] = []
    for value in values:
        if not isinstance(value, ast.Constant):
            merged.append(value)
        elif merged and isinstance(merged[-1], ast.Constant):
            merged[-1] = ast.Constant(merged[-1].value + value.value)
        elif value.value:
            merged.append(value)
    return merged


def references(node: ast.AST, local: Collection[str] = frozenset()) -> Iterator[tuple[str, ...]]:
    """The names that a statement takes from its module, each with the attributes behind it: `a.b.c` is ("a", "b", "c").

    Parameters
    ----------
    local : names that mean something else here: arguments and variables of a function, variables of a comprehension.
    """
    if isinstance(node, ast.Name | ast.Attribute):
        attributes: list[str] = []
        while isinstance(node, ast.Attribute):
            attributes.insert(0, node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            yield from references(node, local)
        elif isinstance(node.ctx, ast.Load) and node.id not in local:
            yield node.id, *attributes
        return
    outside, inside = _parts(node)
    for part in outside:
        yield from references(part, local)
    if inside:
        local = {*local, *_local_names(node)}
    for part in inside:
        yield from references(part, local)


def _parts(node: ast.AST) -> tuple[list[ast.AST], list[ast.AST]]:
    """The parts of a node, parted into those read where it stands and those read with its local names, if it has such."""
    if isinstance(node, _FUNCTIONS):
        defaults = [one for one in (*node.args.defaults, *node.args.kw_defaults) if one is not None]
        body = node.body if isinstance(node.body, list) else [node.body]
        return [*getattr(node, "decorator_list", ()), *defaults], body
    parts = [child for name, value in ast.iter_fields(node) if name not in _IGNORED for child in _nodes(value)]
    if isinstance(node, _COMPREHENSIONS):
        return [node.generators[0].iter], parts
    return parts, []


def _nodes(value) -> list[ast.AST]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, ast.AST)]


def _local_names(node: ast.AST) -> set[str]:
    """The local names of a function or a comprehension.

    Names that a function imports are left out: they are looked up like those that its module imports.
    """
    if isinstance(node, _COMPREHENSIONS):
        return _bound([generator.target for generator in node.generators])[0]
    given = node.args
    arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    bound, elsewhere = _bound(node.body if isinstance(node.body, list) else [])
    return {one.arg for one in arguments if one is not None} | (bound - elsewhere)


def _bound(nodes: Sequence[ast.AST]) -> tuple[set[str], set[str]]:
    """(names that these statements bind where they stand, names that they import or declare global)."""
    bound: set[str] = set()
    elsewhere: set[str] = set()
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            bound.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            bound.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            bound.add(node.rest)
        elif isinstance(node, ast.Global):
            elsewhere.update(node.names)
        elif isinstance(node, _IMPORTS):
            elsewhere.update(alias.asname or alias.name.split(".")[0] for alias in node.names)
        if not isinstance(node, (*_FUNCTIONS, *_COMPREHENSIONS, ast.ClassDef)):
            waiting += ast.iter_child_nodes(node)
    return bound, elsewhere


def _says_something(statement: ast.stmt) -> bool:
    """Whether it is more than imports and words."""
    inside = [node for node in ast.walk(statement) if isinstance(node, ast.stmt) and not isinstance(node, _FRAMES)]
    return not all(isinstance(node, (*_IMPORTS, ast.Pass)) or _is_docstring(node) for node in inside)


@dataclass(frozen=True)
class _Definition:
    """A statement at the top level of a module."""

    text: str
    references: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class _Module:
    """What a module's text says: its definitions, what it imports, and statements that define nothing.

    An import is the local name, the module, and the name in the module or None for the module itself.
    """

    name: str
    definitions: Mapping[str, list[_Definition]]
    imports: Mapping[str, list[tuple[str, str | None]]]
    bare: list[_Definition]


@cache
def _read(name: str, text: str, is_package: bool) -> _Module:
    """The module of that name and text."""
    tree = ast.parse(text)
    definitions: dict[str, list[_Definition]] = {}
    bare = []
    for statement in tree.body:
        if not _says_something(statement):
            continue
        found = _Definition(normal(statement), tuple(sorted(set(references(statement)))))
        names, _ = _bound([statement])
        for defined in names:
            definitions.setdefault(defined, []).append(found)
        if not names:
            bare.append(found)
    package = name.split(".") if is_package else name.split(".")[:-1]
    imports: dict[str, list[tuple[str, str | None]]] = {}
    for node in ast.walk(tree):
        for local, target in _imported(node, package):
            imports.setdefault(local, []).append(target)
    return _Module(name, definitions, imports, bare)


def _imported(node: ast.AST, package: list[str]) -> Iterator[tuple[str, tuple[str, str | None]]]:
    """(local name, (module, name in it or None)) of every name that an import statement binds."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            whole = alias.name if alias.asname else alias.name.split(".")[0]
            yield alias.asname or whole, (whole, None)
    elif isinstance(node, ast.ImportFrom):
        above = package[: len(package) - node.level + 1] if node.level else []
        module = ".".join([*above, *([node.module] if node.module else [])])
        for alias in node.names:
            yield alias.asname or alias.name, (module, alias.name)


class Search:
    """All definitions that some names of a module reach within some packages.

    Parameters
    ----------
    path : the module's file.
    within : dotted names of modules and packages; the search goes through these and what lies in them, and `path` itself.
    folders : where the top-level packages lie; default, `figures` and `mrntk`.
    """

    def __init__(self, path: Path, within: Collection[str], folders: Mapping[str, Path] | None = None):
        self.within, self.folders = within, _folders() if folders is None else folders
        self.start = _read(f"figures.{path.stem}", path.read_text(encoding="utf-8"), False)
        self.found: set[str] = set()
        self._seen: set = set()

    def reach(self, *names: str) -> set[str]:
        """The texts of the definitions that `names` of the start reach, together with what was reached before."""
        for name in names:
            self._name(self.start, (name,))
        return self.found

    def _module(self, name: str) -> _Module | None:
        """The module of that name; None if there is none or the search does not go there."""
        if name == self.start.name:
            return self.start
        if not any(name == one or name.startswith(f"{one}.") or one.startswith(f"{name}.") for one in self.within):
            return None
        package, *rest = name.split(".")
        place = self.folders[package].joinpath(*rest)
        for path, is_package in ((place / "__init__.py", True), (place.with_name(f"{place.name}.py"), False)):
            if path.is_file():
                return _read(name, path.read_text(encoding="utf-8"), is_package)
        return _read(name, "", True) if place.is_dir() else None

    def _name(self, module: _Module, chain: tuple[str, ...]):
        """Reach a name that stands in a module, with the attributes behind it."""
        if (module.name, chain) in self._seen:
            return
        self._seen.add((module.name, chain))
        name, *rest = chain
        for definition in module.definitions.get(name, ()):
            self._definition(module, definition)
        for target in module.imports.get(name, ()):
            self._import(name, target, rest)
        if name not in module.definitions and name not in module.imports:
            for target, _ in module.imports.get("*", ()):
                self._attribute(target, chain)

    def _definition(self, module: _Module, definition: _Definition):
        for one in (definition, *module.bare):
            if (module.name, one.text) not in self._seen:
                self._seen.add((module.name, one.text))
                self.found.add(one.text)
                for chain in one.references:
                    self._name(module, chain)

    def _import(self, local: str, target: tuple[str, str | None], rest: Sequence[str]):
        """Reach what an import binds to a local name."""
        place, name = target
        if place.split(".")[0] not in self.folders:  # such as np = numpy
            self.found.add(f"{local} = {place}" + (f".{name}" if name else ""))
        elif name is None or name == "*":
            self._attribute(place, tuple(rest))
        else:
            if name != local and self._module(f"{place}.{name}") is None:
                self.found.add(f"{local} = {name}")
            self._attribute(place, (name, *rest))

    def _attribute(self, place: str, chain: tuple[str, ...]):
        """Reach an attribute of a module, or all of the module if there is no saying which."""
        module = self._module(place)
        if module is None:
            return
        name = chain[0] if chain else "__dict__"
        targets = {*module.imports.get(name, ())} - {
            (place, name)
        }  # but for `from . import part` in the package's text
        if name in module.definitions or targets:
            self._name(module, chain)
        elif self._module(f"{place}.{name}") is not None:
            self._attribute(f"{place}.{name}", chain[1:])
        elif name == "__dict__" or not name.startswith("__"):  # a module's __file__ is none of its definitions
            for one in (*module.definitions, *module.imports):
                self._name(module, (one,))


@cache
def _folders() -> dict[str, Path]:
    """Where this project's packages lie."""
    library = importlib.util.find_spec("mrntk").submodule_search_locations[0]
    return {"figures": Path(__file__).resolve().parents[1], "mrntk": Path(library)}


def hash_of(texts: Collection[str]) -> str:
    """Hash of texts, in whatever order they come."""
    return hashlib.sha256("\n".join(sorted(texts)).encode()).hexdigest()[:16]


def code_hash(path: Path, names: Sequence[str], within: Collection[str]) -> str:
    """Hash of the definitions that `names` of the module in `path` reach, there and within those packages."""
    return hash_of(Search(path, within).reach(*names))
