"""FineFS: grades of execution of figure skating elements (Ji et al., ACM Multimedia 2023)."""
