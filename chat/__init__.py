"""A live danmaku server: comments that fly across the picture, pushed to every viewer at once."""

__version__ = "0.1.0"
