"""EgoExo-Fitness: verification of technical guidelines in fitness exercises (Li et al., ECCV 2024)."""
