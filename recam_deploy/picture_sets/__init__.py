"""Find the pictures that a user names in any of the usual ways, and choose some of them.

`find_pictures` takes a folder, a data set's root or data.yaml, or a list; `choose` spreads over it.
"""

from .choice import Choice, Look, choose, spread
from .found import FoundPictures
from .likeness import Thumbnail
from .sources import find_pictures, read_picture_list

__all__ = [
    "Choice",
    "FoundPictures",
    "Look",
    "Thumbnail",
    "choose",
    "find_pictures",
    "read_picture_list",
    "spread",
]
