"""LLM-FMS: questions about keyframes of the Functional Movement Screen (Xing et al., PLOS ONE 2025)."""
