"""The native functions and operators of DML, one declaration each (see `registry`).

A module here is a family of builtins.  Modules are found by themselves: adding a builtin touches its module and nothing else.
"""
