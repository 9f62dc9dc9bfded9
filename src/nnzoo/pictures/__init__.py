"""Pictures as Matplotlib figures, and as SVG that can be read on a light and on a dark page.

Nothing here touches pyplot, its open figures or its settings.
"""

from nnzoo.pictures.canvas import svg

__all__ = ["svg"]
