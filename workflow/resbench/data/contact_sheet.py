"""A labelled contact sheet of the images that the networks will see."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from resbench.data.store import Split

COLUMNS = 10
CELL = 64  # pixels an image, twice its size
GAP = 4
FONT_SIZE = 16


def contact_sheet(split: Split) -> Image.Image:
    """Draw a labelled contact sheet: one row for each class, with its name and its first ten images.

    Args:
        split: The images. A class without images has an empty row.

    Returns:
        An RGB image.
    """
    font = ImageFont.load_default(FONT_SIZE)
    names = split.classes.tolist()
    left = round(max(font.getlength(name) for name in names)) + 3 * GAP
    size = (left + COLUMNS * (CELL + GAP), GAP + len(names) * (CELL + GAP))
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for row, name in enumerate(names):
        top = GAP + row * (CELL + GAP)
        draw.text((GAP, top + CELL // 2), name, "black", font, anchor="lm")
        for column, index in enumerate(np.flatnonzero(split.labels == row)[:COLUMNS]):
            image = Image.fromarray(split.images[index]).resize((CELL, CELL), Image.Resampling.NEAREST)
            sheet.paste(image, (left + column * (CELL + GAP), top))
    return sheet
