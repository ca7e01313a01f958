"""Looking at training runs: their records (`record`), and pictures of them for files, terminals and browsers.

A record is a folder with `run.json` (program, arguments, seed, versions, summary), `curve.csv` (a row per update) and `epochs.csv`
(a row per epoch).  Called by the command line (`pydml plot`, `pydml report`) and by programs that train.
"""
