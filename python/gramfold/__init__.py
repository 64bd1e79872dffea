"""gramfold: matrix factorisation at the speed of the hardware."""
