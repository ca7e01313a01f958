"""The file formats, one file each, declared as `FORMAT` (see `pydml.io.registry`).  Adding a format touches nothing else."""
