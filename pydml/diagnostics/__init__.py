"""Places in source texts, diagnostics and their rendering.  Imports nothing else of pydml."""

from pydml.diagnostics.diagnostic import Collector, Diagnostic, DMLError, Frame, Label, fail, internal_error
from pydml.diagnostics.source import SourceFile, Span

__all__ = ["Collector", "DMLError", "Diagnostic", "Frame", "Label", "SourceFile", "Span", "fail", "internal_error"]
