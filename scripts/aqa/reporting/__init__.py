"""Tables, figures and the report page: what people read, made from `scores.csv` and predictions."""
