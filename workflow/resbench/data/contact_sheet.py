"""A labelled contact sheet: what the network will see, at a glance."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from resbench.data.store import Split

COLUMNS = 10
CELL = 64  # pixels an image, twice its size
GAP = 4
FONT_SIZE = 16


def contact_sheet(split: Split) -> Image.Image:
    """One row for each class: its name and its first ten images.  A class without images has an empty row."""
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
