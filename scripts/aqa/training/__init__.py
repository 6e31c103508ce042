"""Training a small model of the architecture that is measured, on the embedded renderer."""
