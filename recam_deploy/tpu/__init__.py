"""Running a cvimodel in the chip's bit-exact simulator, which the compiler brings along."""
