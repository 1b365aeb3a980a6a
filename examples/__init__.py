"""The example merchant: generated exports, and the program that generates them."""
