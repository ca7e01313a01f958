"""Running programs: emission of Python code, the execution context, parfor, and tracebacks in terms of DML."""
