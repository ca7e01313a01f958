"""From syntax trees to an optimized program: imports, names, types and sizes, rewrites.

`imports.load` follows source() lines, `build.build` makes a Program, `infer.infer` finds types, `passes.optimize` rewrites.
"""
