"""From a detector's raw outputs to named boxes on the original picture, and how two sets agree."""
