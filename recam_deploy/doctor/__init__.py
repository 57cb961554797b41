"""`recam doctor`: facts gathered by a thin layer, judged by pure functions, never changed."""
