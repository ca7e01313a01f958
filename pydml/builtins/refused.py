"""Builtins of SystemDS that pydml has not, with the reason; see `registry.refused`."""

from __future__ import annotations

from pydml.builtins.registry import refused

_MACHINES = "it works with data on other machines; pydml runs on one"

interQuantile = refused(
    "interQuantile(X: matrix, p: number) -> matrix",
    "SystemDS 3.4.0 declares it, but fails when it runs",
    "use quantile, or removeEmpty with select=",
)
interQuantile.fails("interQuantile(seq(1, 5), 0.25)", "not-supported", "SystemDS 3.4.0 declares it")

local = refused(
    "local(X: matrix) -> matrix", "SystemDS does not allow it in scripts", "leave it out: matrices are local"
)
local.fails("local(seq(1, 5))", "not-supported", "does not allow it in scripts")

range_ = refused(
    "range(X: matrix, *bounds: number) -> matrix", "SystemDS does not allow it in scripts", "write X[a:b, c:d]"
)
range_.fails("range(seq(1, 5), 1, 2, 1, 1)", "not-supported", "does not allow it in scripts")

autoDiff = refused(
    "autoDiff(**arguments: any) -> list",
    "it is an experiment of SystemDS that differentiates traces of lineage, which pydml does not record",
    "write the gradients, and compare them by pydml.testing.gradcheck",
)
autoDiff.fails("autoDiff(lineage=list(1))", "not-supported", "traces of lineage")

tensor = refused(
    "tensor(**arguments: any) -> any",
    "there are no tensors of more than two dimensions",
    "fold the others into columns",
)
tensor.fails('tensor(1, dims="2 2 2")', "not-supported", "no tensors")

federated = refused("federated(**arguments: any) -> matrix", _MACHINES)
federated.fails('federated(addresses=list("a"), ranges=list(1))', "not-supported", "other machines")

sql = refused(
    "sql(**arguments: any) -> any",
    "databases are not reached from scripts; SystemDS 3.4.0 fails for it, too",
    "write the result of the query to a file, or pass it from Python",
)
sql.fails('sql(conn="a", user="b", password="c", query="d")', "not-supported", "databases")
