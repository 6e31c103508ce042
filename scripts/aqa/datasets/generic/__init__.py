"""A user's own data, described by two files in its folder: no code, and so no id of its own."""
