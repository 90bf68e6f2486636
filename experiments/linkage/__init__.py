"""How well names are linked: real names with known truth, documented damage, the fit of the model, the measurement."""
