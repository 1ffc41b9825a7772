"""Executes a file as a notebook does a cell: the value of a last expression is printed. For any Python 3."""

import ast
import sys
import traceback


def run(path, folder):
    sys.path.append(folder)  # at the end: its files take no module's place
    sys.argv = [path]
    with open(path, encoding="utf-8") as file:
        source = file.read()
    try:
        body, last = divided(ast.parse(source, path))
        space = {"__name__": "__main__", "__builtins__": __builtins__}
        exec(compile(body, path, "exec"), space)  # noqa: S102 it is what this is for
        if last is not None:
            show(eval(compile(last, path, "eval"), space))  # noqa: S307
    except Exception as error:  # noqa: BLE001 whatever the code raises is its own
        inner = error.__traceback__.tb_next if not isinstance(error, SyntaxError) else None
        traceback.print_exception(type(error), error, inner)
        return 1
    return 0


def divided(tree):
    """Return the module without its last expression, and that, None where it ends otherwise."""
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = tree.body.pop()
        return tree, ast.Expression(last.value)
    return tree, None


def show(value):
    if value is not None:
        print(repr(value))


if __name__ == "__main__":
    sys.exit(run(*sys.argv[1:]))
