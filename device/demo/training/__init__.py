"""Training code of the bundled shapes detector and of the tests' models, one a family."""
