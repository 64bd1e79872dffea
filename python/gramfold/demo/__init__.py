"""`gramfold demo`: pictures and a report."""
