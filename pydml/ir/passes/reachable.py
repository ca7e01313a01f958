"""Drop functions that nothing can call."""

from __future__ import annotations

from pydml.ir.program import Call, Op, Program, walk


def keep_reachable(program: Program, library: bool = False) -> None:
    """Keep the functions that the script can reach.

    With `library`, or where eval is used, the functions of the main file, and those that eval can name, are kept too.
    """
    roots = [program.main]
    if library or program.library or _uses_eval(program):
        program.library = True
        keys = (
            set(program.eval_functions.values())
            if not library
            else {k for k in program.functions if k.startswith("::")}
        )
        keys |= {k for k in program.functions if "%default%" in k}
        roots += [program.functions[k] for k in sorted(keys) if k in program.functions]
    reached = {f.key for f in roots}
    queue = list(roots)
    while queue:
        function = queue.pop()
        for statement in walk(function.body):
            if isinstance(statement, Call):
                for key in program.variants.get(statement.function, {"": statement.function}).values():
                    if key not in reached and key in program.functions:
                        reached.add(key)
                        queue.append(program.functions[key])
    program.functions = {k: f for k, f in program.functions.items() if k in reached}


def _uses_eval(program: Program) -> bool:
    return any(isinstance(s, Op) and "call" in s.builtin.effects for f in program.all_functions() for s in walk(f.body))
