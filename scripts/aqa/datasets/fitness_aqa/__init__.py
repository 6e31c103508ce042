"""Fitness-AQA: form errors in overhead presses and squats (Parmar et al., ECCV 2022)."""
