"""The course as data: its notebooks and exercises, executed, in versions for students and teachers, as slides and as a book."""
