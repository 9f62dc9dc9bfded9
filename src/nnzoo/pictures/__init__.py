"""Pictures that can be read on a light and on a dark page: figures as SVG, and sheets of images as HTML.

Nothing here touches pyplot, its open figures or its settings.
"""

from nnzoo.pictures.canvas import svg

__all__ = ["svg"]
