"""The 18 indicators, one module per dimension of risk."""
