"""Files: formats, metadata, and writing that never leaves half a result.

`load.read_value` and `save.write_value` are the entries; the builtins `read` and `write` and the embedding API call them.
`formats/` holds one file per format, found by itself (see `registry`).  `metadata` knows the `.mtd` files, `atomic` replaces
files as a whole, `paths` finds files and the parts of folders.
"""
