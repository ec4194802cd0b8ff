"""The program's version; written into every row it makes."""

__version__ = "0.1.0"
