"""Frames to numbers and back, and text to tokens: what the builtins of `builtins.transform` compute.

`specification` reads what users write, `encoders` holds one class for each way to encode a column, `encoding` puts them
together and knows the layout of the metadata.  `tokenizer` makes tokens of text.  `expressions` runs the lambda expressions of
`map`; `java` holds the texts, regular expressions and methods of Java that they, and scripts of SystemDS, rely on.
"""
