"""Which encoder places texts on the unit sphere, how it runs inside Spark, and how its vectors are read back."""
