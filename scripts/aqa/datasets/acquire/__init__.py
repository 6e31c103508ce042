"""Getting the datasets' files: what each consists of, downloads, archives, broadcasts, provenance."""
