"""From answers to numbers: parse, predict, metrics, intervals, one `metrics.json` a cell."""
