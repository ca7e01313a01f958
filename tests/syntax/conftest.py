"""The programs in errors/ are wrong on purpose; test_errors.py compares their messages."""

collect_ignore_glob = ["errors/*.dml"]
