"""Public functions are documented: Args where they take any, Returns, and Raises where they raise an error."""

import ast
from collections.abc import Iterator
from pathlib import Path

import resbench

PACKAGE = Path(resbench.__file__).parent
# `build(classes)` of a variant is described in CONTRIBUTING.md; the docstring of a sub-command is its help text.
EXEMPT = {"networks/variants", "cli"}


def functions(body: list[ast.stmt]) -> Iterator[ast.FunctionDef]:
    """Yield public functions, and public methods of public classes."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from functions(node.body)
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node


def missing_sections(function: ast.FunctionDef) -> set[str]:
    docstring = ast.get_docstring(function) or ""
    arguments = [one for one in (*function.args.args, *function.args.kwonlyargs) if one.arg not in ("self", "cls")]
    returns = function.returns is not None and ast.unparse(function.returns) != "None"
    is_property = any("property" in ast.unparse(decorator) for decorator in function.decorator_list)
    raises = any(isinstance(node, ast.Raise) and node.exc for node in ast.walk(function))
    needed = {"Args:"} if arguments else set()
    needed |= {"Returns:"} if returns and not is_property else set()
    needed |= {"Raises:"} if raises else set()
    present = docstring.replace("Yields:", "Returns:")
    return {section for section in needed if section not in present}


def test_public_functions_document_arguments_results_and_errors() -> None:
    incomplete = {}
    for path in PACKAGE.rglob("*.py"):
        if path.relative_to(PACKAGE).parent.as_posix() not in EXEMPT:
            for function in functions(ast.parse(path.read_text()).body):
                if sections := missing_sections(function):
                    incomplete[f"{path.relative_to(PACKAGE)}: {function.name}"] = sections
    assert incomplete == {}
