"""Present, as ultralytics wants it."""
