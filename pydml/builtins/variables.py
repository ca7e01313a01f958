"""Builtins that the compiler uses for variables and calls, and `eval`.

`=` copies a value, which costs nothing since values are immutable; `as parameter` and `as result` give an argument or a
result of a DML function its declared type; `exists` asks whether a variable has a value.
"""

from __future__ import annotations

from typing import Any

from pydml.builtins.registry import builtin
from pydml.diagnostics import fail
from pydml.signature import article
from pydml.types import BOOLEAN, DOUBLE, INT, LIST, MATRIX, SCALAR, STRING, UNKNOWN, Type
from pydml.values import List, arithmetic, type_of


def _same(value: Type) -> Type:
    return value


@builtin("=(value: any) -> any", infer=_same, storages="any", self_checking=True)
def assign(value: Any) -> Any:
    """The value itself."""
    return value


def _declared(value: Type, data: Type, value_type: Type, function: Type, name: Type, what: str) -> Type:
    """The declared type, with what is known of the value; fails for a value that cannot become one."""
    wanted_data, wanted = data.const, value_type.const
    if value.data == UNKNOWN:
        return (
            Type(wanted_data, wanted if wanted_data == SCALAR else UNKNOWN)
            if wanted_data != MATRIX
            else Type(MATRIX, DOUBLE)
        )
    if value.data != wanted_data:
        declared = wanted if wanted_data == SCALAR and wanted != UNKNOWN else wanted_data
        help = ""
        if wanted_data == SCALAR and value.data in (MATRIX, LIST):
            help = "use as.scalar()"
        elif wanted_data == MATRIX:
            help = "use as.matrix()"
        fail(
            "argument-type",
            f"{function.const}: the {what} {name.const} is declared {declared}, got {article(str(value))}",
            help=help,
        )
    if wanted_data != SCALAR or wanted == UNKNOWN or wanted == value.value:
        return value
    return Type(SCALAR, wanted)


_PLAIN = {DOUBLE: float, INT: int, BOOLEAN: bool, STRING: str}  # what scalars of a declared type are while running


def _parameter_type(value: Type, data: Type, value_type: Type, function: Type, name: Type) -> Type:
    return _declared(value, data, value_type, function, name, "parameter")


_CASTS = {
    INT: arithmetic.cast_int,
    DOUBLE: arithmetic.cast_double,
    BOOLEAN: arithmetic.cast_boolean,
}


def _convert(value: Any, wanted: str) -> Any:
    if wanted == STRING:
        from pydml.values.text import scalar_text

        return scalar_text(value)
    return _CASTS[wanted](value)


@builtin(
    "as parameter(value: any, data: string, valueType: string, function: string, name: string) -> any",
    infer=_parameter_type,
    storages="any",
    self_checking=True,
)
def as_parameter(value: Any, data: str, value_type: str, function: str, name: str) -> Any:
    """An argument as the parameter is declared: scalars are cast, other data types must fit."""
    if data == SCALAR and type(value) is _PLAIN.get(value_type):
        return value
    names = (Type(const=data), Type(const=value_type), Type(const=function), Type(const=name))
    found = type_of(value)
    _declared(found, *names, "parameter")
    if data == SCALAR and value_type != UNKNOWN and found.value != value_type:
        return _convert(value, value_type)
    return value


def _result_type(value: Type, data: Type, value_type: Type, function: Type, name: Type) -> Type:
    result = _declared(value, data, value_type, function, name, "result")
    if value.data == SCALAR:
        _check_narrowing(value, value_type.const, function.const, name.const)
    return result


def _check_narrowing(value: Type, wanted: object, function: object, name: object) -> None:
    from_text = wanted in (INT, BOOLEAN, DOUBLE) and value.value == STRING
    if from_text or (wanted == INT and value.value == DOUBLE):
        fail(
            "argument-type",
            f"{function}: the result {name} is declared {wanted}, got {article(str(value))}",
            help="use as.integer()" if wanted == INT else "",
        )


@builtin(
    "as result(value: any, data: string, valueType: string, function: string, name: string) -> any",
    infer=_result_type,
    storages="any",
    self_checking=True,
)
def as_result(value: Any, data: str, value_type: str, function: str, name: str) -> Any:
    """A result as it is declared: an int becomes a double; a double does not become an int.

    That a declared int gets a double is a mistake where it is certain before the run.  Where it is not, the double passes as it
    is: SystemDS does not convert the results of functions.
    """
    if data == SCALAR and type(value) is _PLAIN.get(value_type):
        return value
    names = (Type(const=data), Type(const=value_type), Type(const=function), Type(const=name))
    found = type_of(value)
    _declared(found, *names, "result")
    if data == SCALAR and value_type != UNKNOWN and found.value != value_type:
        if value_type == INT and found.value == DOUBLE:
            return value
        _check_narrowing(found, value_type, function, name)
        return _convert(value, value_type)
    return value


@builtin("exists(variable: any) -> boolean", storages="any", self_checking=True)
def exists(variable: Any) -> bool:
    """Whether a variable has a value.  The compiler decides it where it can; `exists("v")` is safe for any name."""
    return True


def _arguments(args: tuple[Any, ...]) -> tuple[list[Any], list[tuple[str, Any]]]:
    """eval's arguments: one list is unpacked, by name if it has names."""
    if len(args) == 1 and type(args[0]) is List:
        values = args[0]
        if values.names is not None and all(n is not None for n in values.names):
            return [], list(zip(values.names, values.items, strict=True))
        return list(values.items), []
    return list(args), []


@builtin(
    "eval(function: string, *args: any) -> matrix",
    needs="context",
    effects=("call",),
    storages="any",
    self_checking=True,
)
def eval(context: Any, function: str, *args: Any) -> Any:
    """Call the function of that name; the first result, as a matrix (a scalar becomes 1 x 1).

    function: a function of the main script, a builtin written in DML, or `path::name`.  args: the arguments, or one list
    that holds them (its names, if it has any, are those of the parameters).  Same as SystemDS `eval`.
    """
    import numpy as np

    results = context.functions(function).call(context, *_arguments(args))
    if not results:
        fail("call", f"eval: {function} has no results")
    value = results[0]
    if isinstance(value, (int, float)):
        return np.full((1, 1), float(value), context.dtype)
    if isinstance(value, str):
        fail("argument-type", f"eval: {function} returns a string, which cannot become a matrix")
    return value


@builtin(
    "evalList(function: string, *args: any) -> list",
    needs="context",
    effects=("call",),
    storages="any",
    self_checking=True,
)
def eval_list(context: Any, function: str, *args: Any) -> List:
    """Like eval, but returns a list of all results.  Same as SystemDS `evalList`."""
    return List(context.functions(function).call(context, *_arguments(args)))
