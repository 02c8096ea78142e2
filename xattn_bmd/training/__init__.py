"""Where data, model, loss and metric meet: fits, comparison, run folder, predictor."""
