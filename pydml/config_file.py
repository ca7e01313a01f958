"""Configuration files of SystemDS: XML with one element per property, read by the option -config.

    <root>
      <sysds.floating.point.precision>single</sysds.floating.point.precision>
    </root>

Most properties steer machinery that pydml has not: they are known, and one that is set to something else than SystemDS's
default is answered by a remark.  A name may be written without its prefix `sysds.`.
"""

from __future__ import annotations

import os
from dataclasses import field

from pydml.diagnostics import fail
from pydml.records import dataclass

PREFIX = "sysds."


@dataclass
class FileSettings:
    """What a file says.  None: nothing.  remarks: sentences about properties without effect."""

    precision: str | None = None
    threads: int | None = None
    optimized: bool | None = None
    remarks: list[str] = field(default_factory=list)


_NO_GPU = "everything runs on the CPU"
_NO_FEDERATED = "there is no federated mode"
_NO_COMPRESSION = "matrices are not compressed"
_FUSED = "chains of elementwise operations are always fused"
_ONE_PROCESS = "pydml runs in one process"
_NO_SCRATCH = "pydml keeps no scratch space"
_THREADS = "--threads says how many threads there are, for everything"
_FORMATS = "files are written as they are, without compression"

# Properties without effect: SystemDS's default, and why.
_WITHOUT_EFFECT: dict[str, tuple[str, str]] = {
    "async.broadcast": ("false", _ONE_PROCESS),
    "async.checkpoint": ("false", _ONE_PROCESS),
    "async.prefetch": ("false", _ONE_PROCESS),
    "caching.bufferpoollimit": ("15", "all values stay in memory"),
    "caching.memorymanager": ("static", "all values stay in memory"),
    "codegen.api": ("auto", _FUSED),
    "codegen.compiler": ("auto", _FUSED),
    "codegen.enabled": ("false", _FUSED),
    "codegen.literals": ("1", _FUSED),
    "codegen.optimizer": ("cost_based_v2", _FUSED),
    "codegen.plancache": ("true", _FUSED),
    "compile.linearization": ("depth_first", "operations run in the order of the script"),
    "compressed.cocode": ("auto", _NO_COMPRESSION),
    "compressed.costmodel": ("auto", _NO_COMPRESSION),
    "compressed.linalg": ("false", _NO_COMPRESSION),
    "compressed.linalg.intermediate": ("false", _NO_COMPRESSION),
    "compressed.lossy": ("false", _NO_COMPRESSION),
    "compressed.overlapping": ("true", _NO_COMPRESSION),
    "compressed.sampling.ratio": ("0.02", _NO_COMPRESSION),
    "compressed.softreferencecount": ("true", _NO_COMPRESSION),
    "compressed.transformencode": ("false", _NO_COMPRESSION),
    "compressed.transpose": ("auto", _NO_COMPRESSION),
    "compressed.valid.compressions": ("", _NO_COMPRESSION),
    "cp.parallel.io": ("true", _THREADS),
    "defaultblocksize": ("1000", "matrices are not cut into blocks; binary files have blocks of 1000"),
    "federated.compression": ("none", _NO_FEDERATED),
    "federated.initialization.timeout": ("10", _NO_FEDERATED),
    "federated.monitorFreq": ("3", _NO_FEDERATED),
    "federated.par_conn": ("0", _NO_FEDERATED),
    "federated.par_inst": ("0", _NO_FEDERATED),
    "federated.planner": ("runtime", _NO_FEDERATED),
    "federated.priv_mock": ("false", _NO_FEDERATED),
    "federated.readcache": ("true", _NO_FEDERATED),
    "federated.ssl": ("false", _NO_FEDERATED),
    "federated.timeout": ("86400", _NO_FEDERATED),
    "frame.tomatrix.warncast": ("false", "a cell that is no number is always an error"),
    "gpu.availableGPUs": ("-1", _NO_GPU),
    "gpu.eager.cudaFree": ("false", _NO_GPU),
    "gpu.eviction.policy": ("min_evict", _NO_GPU),
    "gpu.eviction.shadow.bufferSize": ("0.0", _NO_GPU),
    "gpu.memory.allocator": ("cuda", _NO_GPU),
    "gpu.memory.util.factor": ("0.9", _NO_GPU),
    "gpu.place.rulebased": ("false", _NO_GPU),
    "gpu.print.memoryInfo": ("false", _NO_GPU),
    "gpu.sync.postProcess": ("false", _NO_GPU),
    "io.compression.encoding": ("none", _FORMATS),
    "io.delta.reader.batchsize": ("", "there is no format delta"),
    "io.delta.writer.adaptivefilesize": ("", "there is no format delta"),
    "io.delta.writer.batchsize": ("", "there is no format delta"),
    "io.delta.writer.targetfilesize": ("", "there is no format delta"),
    "lineage.cachespill": ("true", "lineage is not traced"),
    "lineage.compilerassisted": ("false", "lineage is not traced"),
    "local.spark": ("false", _ONE_PROCESS),
    "local.spark.number.threads": ("*", _ONE_PROCESS),
    "localtmpdir": ("", _NO_SCRATCH),
    "native.blas": ("none", "products always run in NumPy's BLAS"),
    "native.blas.directory": ("none", "products always run in NumPy's BLAS"),
    "parallel.encode": ("true", _THREADS),
    "parallel.encode.applyBlocks": ("-1", _THREADS),
    "parallel.encode.buildBlocks": ("-1", _THREADS),
    "parallel.encode.numThreads": ("-1", _THREADS),
    "parallel.encode.staged": ("false", _THREADS),
    "parallel.tokenize": ("true", _THREADS),
    "parallel.tokenize.numBlocks": ("64", _THREADS),
    "scratch": ("scratch_space", _NO_SCRATCH),
    "stats.maxWrapLength": ("30", "--stats names operations in full"),
}

_WITH_EFFECT = ("floating.point.precision", "cp.parallel.ops", "optlevel")


def read_config_file(path: str | os.PathLike[str]) -> FileSettings:
    """The settings of a file.  Raises DMLError "file" for a file that cannot be read, "value" for a wrong value."""
    from xml.etree import ElementTree

    name = os.fspath(path)
    try:
        root = ElementTree.parse(name).getroot()
    except FileNotFoundError:
        fail("file", f"there is no configuration file {name}")
    except OSError as error:
        fail("file", f"cannot read the configuration file {name}: {error.strerror}")
    except ElementTree.ParseError as error:
        fail("file", f"the configuration file {name} is not XML: {error}")
    settings = FileSettings()
    for element in root:
        if isinstance(element.tag, str):  # and no comment
            _take(settings, element.tag, (element.text or "").strip(), name)
    return settings


def _take(settings: FileSettings, tag: str, value: str, file: str) -> None:
    from pydml.signature import suggest

    key = tag.removeprefix(PREFIX)
    if key == "floating.point.precision":
        settings.precision = _choice(tag, value.lower(), ("double", "single"), file)
    elif key == "cp.parallel.ops":
        settings.threads = 1 if _choice(tag, value.lower(), ("true", "false"), file) == "false" else None
    elif key == "optlevel":
        level = _choice(tag, value, tuple("01234567"), file)
        settings.optimized = level != "0"
    elif key in _WITHOUT_EFFECT:
        default, reason = _WITHOUT_EFFECT[key]
        if value.lower() != default:
            settings.remarks.append(f"{tag} has no effect: {reason}")
    else:
        known = [PREFIX + k if tag.startswith(PREFIX) else k for k in (*_WITHOUT_EFFECT, *_WITH_EFFECT)]
        hint = suggest(tag, known)
        settings.remarks.append(f"{file}: there is no property {tag}" + (f"; {hint}" if hint else ""))


def _choice(tag: str, value: str, choices: tuple[str, ...], file: str) -> str:
    if value not in choices:
        fail("value", f"{file}: {tag} must be {' or '.join(choices)}, got {value!r}")
    return value
