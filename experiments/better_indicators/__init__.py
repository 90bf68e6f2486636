"""What the learned parameters of indicators bring on the cities' tests, one indicator after the other."""
