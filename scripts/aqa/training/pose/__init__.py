"""A small ultralytics pose network, trained on the embedded renderer."""
